"""The load: wrk, one thread, keep-alive connections in a closed loop, a selector of its own in each request."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

Mix = Literal["get", "post"]

SCRIPT: Final = Path(__file__).with_name("report.lua")
CACHE: Final = Path("~/.cache/push-token-pipeline/wrk")
PACKAGES: Final = ("wrk", "libluajit-5.1-2")  # Debian's and Ubuntu's names
TIMEOUT_SECONDS: Final = 10  # beyond it wrk counts a time-out, and such a run counts for nobody
_GRACE_SECONDS: Final = 30.0


class Load(Struct, frozen=True, kw_only=True):
    """What wrk saw in one run: `requests` answered in `microseconds`, percentiles of the latency (µs), errors by kind.

    The percentiles are corrected for coordinated omission as wrk does it since 4.0.
    """

    requests: int
    microseconds: int
    p50: int
    p99: int
    p999: int
    longest: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.microseconds * 1e6

    @property
    def errors(self) -> dict[str, int]:
        """What went wrong, by kind; empty if nothing did."""
        kinds = ("connect", "read", "write", "status", "timeout")
        return {kind: count for kind in kinds if (count := getattr(self, kind))}


class LoadError(RuntimeError):
    """wrk cannot be had, did not run, or saw something other than 200; the text says what."""


class Wrk:
    """An installed or downloaded wrk.

    Args:
        program: its path.
        libraries: a directory for LD_LIBRARY_PATH, or None.
    """

    def __init__(self, program: Path, libraries: Path | None = None) -> None:
        self._program = program
        self._environment = dict(os.environ)
        if libraries is not None:
            self._environment["LD_LIBRARY_PATH"] = str(libraries)

    def version(self) -> str:
        """The first line of `wrk -v`; empty if it does not start."""
        try:
            done = subprocess.run(
                [self._program, "-v"], env=self._environment, capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        first = done.stdout.partition("\n")[0]
        return first.partition(" Copyright")[0].strip() if first.startswith("wrk ") else ""

    def run(self, port: int, mix: Mix, connections: int, seconds: int, number: int) -> Load:
        """Load 127.0.0.1:`port` for `seconds`; `number` tells this run's selectors from all others'.

        Raises:
            LoadError: it did not end, or anything but 200 came back.
        """
        command = [str(self._program), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"]
        command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", mix, f"{number:X}"]
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=seconds + _GRACE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise LoadError(f"wrk did not end within {_GRACE_SECONDS:.0f} s of its time") from None
        load = parse(done.stdout, done.stderr)
        if load.errors:
            raise LoadError(f"{load.requests} answers at {connections} connections; not as it should be: {load.errors}")
        if not load.requests:
            raise LoadError(f"no answer within {seconds} s at {connections} connections")
        return load


def parse(output: str, trouble: str = "") -> Load:
    """The last line of wrk's standard output (`done` in report.lua) as a Load.

    Raises:
        LoadError: there is no such line; the text has what wrk said instead.
    """
    line = output.strip().rpartition("\n")[2]
    try:
        return msgspec.json.decode(line.encode(), type=Load)
    except msgspec.DecodeError:
        raise LoadError(f"wrk gave no figures: {(trouble or output).strip()[-500:]}") from None


def find(say: Callable[[str], None], cache: Path = CACHE) -> Wrk:
    """wrk from PATH, from an earlier download, or by `apt-get download` into `cache` (no root needed).

    Raises:
        LoadError: none of them; the text says what to install.
    """
    installed = shutil.which("wrk")
    if installed and (wrk := Wrk(Path(installed))).version():
        return wrk
    cache = cache.expanduser()
    kept = _unpacked(cache)
    if kept is not None:
        return kept
    say(f"wrk is not installed: downloading {' and '.join(PACKAGES)} into {cache}")
    cache.mkdir(parents=True, exist_ok=True)
    try:
        _run(["apt-get", "download", *PACKAGES], cache)
        for package in sorted(cache.glob("*.deb")):
            _run(["dpkg", "-x", package.name, "."], cache)
            package.unlink()
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise LoadError(f"wrk cannot be had ({said.strip()[-300:]}). {_ADVICE}") from None
    kept = _unpacked(cache)
    if kept is None:
        raise LoadError(f"the wrk that was downloaded into {cache} does not start. {_ADVICE}")
    return kept


_ADVICE: Final = "Install it: `apt-get install wrk` (after `apt-get update`), `brew install wrk`, or put it on PATH."


def _run(command: list[str], directory: Path) -> None:
    subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=True)


def _unpacked(cache: Path) -> Wrk | None:
    library = next(iter(sorted(cache.glob("usr/lib/*/libluajit-5.1.so.2"))), None)
    wrk = Wrk(cache / "usr" / "bin" / "wrk", library.parent if library else None)
    return wrk if wrk.version() else None
