"""Writes the generated documents; with `--check` says which have drifted: `python -m schemas.write [--check]`."""

import json
import sys
from pathlib import Path
from typing import Final

from schemas.documents.asyncapi import asyncapi
from schemas.documents.json_schema import RECORDS, record_schema
from schemas.documents.openapi import openapi
from schemas.documents.settings_sample import settings_sample
from schemas.documents.settings_table import settings_table

ROOT: Final = Path(__file__).resolve().parent.parent


def documents() -> dict[str, str]:
    """Every generated document: its path from the project's root and its text (str)."""
    found = {f"schemas/json/{name}.json": _pretty(record_schema(name)) for name in RECORDS}
    found["schemas/asyncapi.json"] = _pretty(asyncapi())
    found["schemas/openapi.json"] = _pretty(openapi())
    found["docs/settings.md"] = settings_table()
    found["deploy/samples/full.toml"] = settings_sample()
    return found


def drifted() -> list[str]:
    """The paths whose file differs from what the types say now."""
    return [path for path, text in documents().items() if _read(ROOT / path) != text]


def write() -> None:
    """Write every document anew."""
    for path, text in documents().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")


def _pretty(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """Exit code 0: all is as it should be (or was written); 1: something drifted."""
    if "--check" not in arguments:
        write()
        return 0
    for path in (wrong := drifted()):
        sys.stderr.write(f"{path} has drifted from the types: run `make documents`\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
