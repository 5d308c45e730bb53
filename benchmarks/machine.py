"""The machine that a figure was measured on; figures without it mean nothing."""

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "aiokafka",
    "faust-streaming",
    "msgspec",
    "rocksdict",
    "quixstreams",
    "confluent-kafka",
    "clickhouse-connect",
    "chdb",
    "starlette",
    "uvicorn",
    "uvloop",
)


def machine() -> dict[str, object]:
    """Processor, cores, memory (GiB), load before the run, Python and package versions, and the time (UTC)."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
