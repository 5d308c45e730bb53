"""Where each role answers for its own health, from the settings."""

from typing import Final

from deploy.local.probe import Target
from schemas.settings import Settings

ROLES: Final = ("ingest", "compact", "sink", "dashboard")


def target(settings: Settings, role: str) -> Target:
    """The port of `role` (one of `ROLES`) that has `/healthz`, `/readyz` and `/metrics`.

    Raises:
        KeyError: not a role.
    """
    ingest = settings.ingest
    return {
        "ingest": Target("ingest", ingest.host, ingest.port, tls=bool(ingest.tls_cert_file)),
        "compact": Target("compact", settings.lookup.host, settings.lookup.port),
        "sink": Target("sink", settings.sink.host, settings.sink.port),
        "dashboard": Target("dashboard", settings.dashboard.host, settings.dashboard.port),
    }[role]


def role_of(command_line: bytes) -> str | None:
    """The role that a process runs, by its command line as Linux shows it (`/proc/PID/cmdline`, words ended by NUL)."""
    words = command_line.decode("utf-8", "replace").split("\0")
    return next((word for word in words if word in ROLES), None)
