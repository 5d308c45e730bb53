"""What a server's processes use: processor time and memory, from /proc."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

_TICK: Final = os.sysconf("SC_CLK_TCK")


class Usage(Struct, frozen=True):
    """Of a process and all below it.

    `cpu_seconds`: processor time so far, of all. `peaks_mib`: peak resident memory (VmHWM) of each, largest first;
    pages that they share count in each.
    """

    cpu_seconds: float
    peaks_mib: tuple[float, ...]


def usage(pid: int) -> Usage:
    """What process `pid` and its descendants have used so far; those that have gone count nothing."""
    seconds, peaks = 0.0, []
    for each in _family(pid):
        with contextlib.suppress(OSError, StopIteration):
            status = Path(f"/proc/{each}/status").read_text(encoding="utf-8")
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
            fields = Path(f"/proc/{each}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / _TICK
            peaks.append(round(int(peak.split()[1]) / 1024, 1))
    return Usage(seconds, tuple(sorted(peaks, reverse=True)))


def wait_until_quiet(pid: int, processes: int, deadline: float = 30.0, look: float = 0.4) -> None:
    """Wait until the server has its `processes` and they have nothing left to do (under 5 % of a core): all are up.

    Raises:
        TimeoutError: after `deadline` seconds.
    """
    until = time.monotonic() + deadline
    before = usage(pid)
    while time.monotonic() < until:
        time.sleep(look)
        now = usage(pid)
        if len(now.peaks_mib) >= processes and now.cpu_seconds - before.cpu_seconds <= 0.05 * look + 1 / _TICK:
            return
        before = now
    raise TimeoutError(f"the server was still busy, or had fewer than {processes} processes, after {deadline:.0f} s")


def _family(pid: int) -> list[int]:
    found = [pid]
    for each in found:  # grows while it is walked
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text(encoding="utf-8").split()]
    return found
