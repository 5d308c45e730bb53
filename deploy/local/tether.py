"""Runs a command that dies with its parent: `python -I -S tether.py PARENT_PID COMMAND [ARGUMENT…]`.

Linux only (`prctl(2)`, PR_SET_PDEATHSIG); elsewhere the command simply runs. A program of its own, because code
run between fork and exec (`preexec_fn`) may deadlock in a process with threads. The signal comes when the *thread* that
started the command ends: start long-lived children from the main thread.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h; kept across execve(2)


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command; exits if the parent has gone already."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent:  # it died before the call above took hold
            raise SystemExit(1)
    os.execv(command[0], command)  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    main(sys.argv[1:])
