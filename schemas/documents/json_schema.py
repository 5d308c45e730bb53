"""JSON Schema (2020-12) of each record, for consumers in other languages."""

from typing import Any, Final

import msgspec

from schemas.records import SCHEMA_VERSION, Change, Latest, Pair, Rejected, Removed, Report, Slot, Source

RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "report": Report,
    "latest": Latest,
    "change": Change,
    "rejected": Rejected,
    "removed": Removed,
}
_PARTS: Final = (Pair, Slot, Source)


def record_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one record (`report`, `latest`, `change`, `rejected`, `removed`) as a self-contained document.

    Raises:
        KeyError: no such record.
    """
    record = RECORDS[name]
    (reference,), parts = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:push-token-pipeline:{name}:{SCHEMA_VERSION}",
        "$ref": reference["$ref"],
        "$defs": parts,
    }
    for part in parts.values():
        _clean(part)
    return document


def components() -> dict[str, Any]:
    """Every record's schema by type name, with references for `#/components/schemas/` (AsyncAPI, OpenAPI)."""
    _, parts = msgspec.json.schema_components([*RECORDS.values(), *_PARTS], ref_template="#/components/schemas/{name}")
    for part in parts.values():
        _clean(part)
    return dict(sorted(parts.items()))


def _clean(part: dict[str, Any]) -> None:
    """One line of prose for a description: docstrings are wrapped for the source."""
    if "description" in part:
        part["description"] = " ".join(str(part["description"]).split())
