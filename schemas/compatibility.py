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
_TOPIC_OF: Final = {
    "report": "reports",
    "latest": "latest",
    "change": "changes",
    "rejected": "rejected",
    "removed": "removals",
}
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


def still_broken(older: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What `now` breaks of an older version on topics that still have their old name: its readers are there, too."""
    topics = {
        record: topic
        for record, topic in _TOPIC_OF.items()
        if older[_TOPICS][topic]["address"] == now[_TOPICS].get(topic, {}).get("address")
    }
    kept = {record: older[record] | {"$id": now[record]["$id"]} for record in topics if record in now}
    return broken(kept | {_TOPICS: {topic: older[_TOPICS][topic] for topic in topics.values()}}, now)


def main(arguments: list[str]) -> int:
    """Exit code 0: nothing is broken (and, with `--publish`, all of it is promised now); 1: something is."""
    promised = {int(path.name): published(path) for path in PUBLISHED.iterdir() if path.name.isdigit()}
    now = current()
    if SCHEMA_VERSION not in promised and "--publish" not in arguments:
        sys.stderr.write(f"version {SCHEMA_VERSION} was never published: python -m schemas.compatibility --publish\n")
        return 1
    wrong = broken(promised.pop(SCHEMA_VERSION, {}), now)
    for version, older in sorted(promised.items()):
        wrong += [f"version {version}, whose topic it still is: {line}" for line in still_broken(older, now)]
    if wrong:
        sys.stderr.write("".join(f"incompatible: {line}\n" for line in wrong) + _HELP)
        return 1
    if "--publish" in arguments:
        _publish(PUBLISHED / str(SCHEMA_VERSION), now)
    return 0


def _publish(directory: Path, now: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in now.items():
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        (directory / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
