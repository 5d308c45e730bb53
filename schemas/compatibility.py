"""Holds the records and topics as they are against those that were published: `python -m schemas.compatibility`.

`schemas/published/<version>/` has what others were told (JSON Schemas, and `topics.json`); `<version>` is
`schemas.records.SCHEMA_VERSION`. `--check` (part of `make check`) fails when the types break that; `--publish` takes
what was added into it, so that from then on it is promised, too. How and when: CONTRIBUTING.md.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from schemas.documents.asyncapi import asyncapi
from schemas.documents.json_schema import RECORDS, record_schema
from schemas.evolution import broken_promises
from schemas.records import SCHEMA_VERSION
from schemas.topic_promises import broken_topics, topic_promises

PUBLISHED: Final = Path(__file__).resolve().parent / "published"
_TOPICS: Final = "topics"
_HELP: Final = (
    "What was published stays; a later version only adds optional fields (CONTRIBUTING.md, Changing a record).\n"
)


def current() -> dict[str, Any]:
    """What the types say now: file name (without `.json`) to document."""
    return {name: record_schema(name) for name in RECORDS} | {_TOPICS: topic_promises(asyncapi())}


def published(directory: Path) -> dict[str, Any]:
    """What is promised: as `current`, from the files of one version."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.json"))}


def broken(promised: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Every promise that `now` breaks, one a line, with the record in front."""
    found: list[str] = []
    for name, before in promised.items():
        if name not in now:
            found.append(f"{name}: the record is gone")
        elif name == _TOPICS:
            found += [f"topic {line}" for line in broken_topics(before, now[name])]
        else:
            found += [f"{name}: {line}" for line in broken_promises(before, now[name])]
    return found


def main(arguments: list[str]) -> int:
    """Exit code 0: nothing is broken (and, with `--publish`, all of it is promised now); 1: something is."""
    directory = PUBLISHED / str(SCHEMA_VERSION)
    promised, now = published(directory), current()
    if not promised and "--publish" not in arguments:
        sys.stderr.write(f"version {SCHEMA_VERSION} was never published: python -m schemas.compatibility --publish\n")
        return 1
    if wrong := broken(promised, now):
        sys.stderr.write("".join(f"incompatible: {line}\n" for line in wrong) + _HELP)
        return 1
    if "--publish" in arguments:
        directory.mkdir(parents=True, exist_ok=True)
        for name, document in now.items():
            text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
            (directory / f"{name}.json").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
