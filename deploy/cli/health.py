"""`pushtokens health`: asks a role on this machine how it is, for a container's health check."""

import argparse
import sys
from pathlib import Path
from typing import Final

from schemas.settings import Settings

HELP: Final = "ask a role on this machine whether it lives; for health checks of containers"
EXAMPLES: Final = """\
  pushtokens health ingest
  pushtokens health sink --ready     whether it can do its work now
  pushtokens health                  the role that process 1 runs, as in a container

Exit code 0: yes; 1: no. An ingress that asks its clients for a certificate cannot be asked this way."""

_FIRST: Final = Path("/proc/1/cmdline")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The role and `--ready`."""
    parser.add_argument("role", nargs="?", default="", metavar="ROLE", help="ingest, compact, sink or dashboard")
    parser.add_argument("--ready", action="store_true", help="ask /readyz in place of /healthz")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 0: the answer is 200; 1: it is another, or there is none; 2: not a role."""
    from deploy.local.probe import get
    from deploy.role_targets import ROLES, role_of, target

    role = arguments.role or role_of(_FIRST.read_bytes() if _FIRST.exists() else b"")
    if role not in ROLES:
        print(f"pushtokens health: which role? One of {', '.join(ROLES)}", file=sys.stderr)
        return 2
    path = "/readyz" if arguments.ready else "/healthz"
    answer = get(target(settings, role), path)
    if answer is None:
        print(f"{role}: no answer to {path}", file=sys.stderr)
        return 1
    print(f"{role}: {answer[0]} {answer[1].strip()[:200]}")
    return 0 if answer[0] == 200 else 1
