"""Writes the generated manifests; with `--check` says which have drifted.

`python -m deploy.kubernetes.write [--check]`
"""

import sys
from pathlib import Path
from typing import Final

from deploy.kubernetes.alerts import rule_manifest
from deploy.kubernetes.topics import topic_manifests
from schemas.settings_source import CONFIG, read_settings

HERE: Final = Path(__file__).resolve().parent
CARRIER: Final = HERE / "overlays" / "carrier"
ALERTS: Final = HERE.parent / "prometheus" / "alerts.yml"


def documents() -> dict[Path, str]:
    """Every generated file: its path and its text."""
    settings = read_settings({CONFIG: str(CARRIER / "pushtokens.toml")})
    return {
        CARRIER / "topics.yaml": topic_manifests(settings),
        HERE / "monitoring" / "alerts.yaml": rule_manifest(ALERTS.read_text(encoding="utf-8")),
    }


def drifted() -> list[str]:
    """The files (paths from this folder) that are not what the code says now."""
    return [
        path.relative_to(HERE).as_posix()
        for path, text in documents().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Exit code 0: written, or all is as it should be; 1: something drifted."""
    if "--check" not in arguments:
        for path, text in documents().items():
            path.write_text(text, encoding="utf-8")
        return 0
    for name in (wrong := drifted()):
        sys.stderr.write(f"deploy/kubernetes/{name} has drifted: run `make documents`\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
