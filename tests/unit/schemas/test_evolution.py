"""What may change of a published schema, and what may not: by tables, and on the records that there are."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from schemas import compatibility
from schemas.documents.json_schema import RECORDS, record_schema
from schemas.evolution import broken_promises
from schemas.records import SCHEMA_VERSION, Latest, Slot, Source
from schemas.topic_promises import broken_topics

TEXT = {"type": "string", "maxLength": 100}
OPTIONAL_TEXT = {"anyOf": [TEXT, {"type": "null"}]}
PUBLISHED: dict[str, Any] = {
    "$id": "urn:record:1",
    "$ref": "#/$defs/Record",
    "$defs": {
        "Record": {
            "title": "Record",
            "type": "object",
            "properties": {
                "id": TEXT,
                "kind": {"type": "string"},
                "count": {"type": "integer", "minimum": 0},
                "name": OPTIONAL_TEXT,
                "pair": {"anyOf": [{"$ref": "#/$defs/Pair"}, {"type": "null"}]},
                "tags": {"type": "array", "items": TEXT},
                "input": {"type": "object", "additionalProperties": OPTIONAL_TEXT},
                "origin": {"type": "string", "default": "app"},
            },
            "required": ["id", "kind", "count", "name"],
        },
        "Pair": {"type": "object", "properties": {"token": TEXT, "app_id": TEXT}, "required": ["token"]},
    },
}

Edit = Callable[[dict[str, Any], dict[str, Any]], object]
"""Changes the properties of `Record` (and gets the whole document, too)."""


def changed(edit: Edit) -> dict[str, Any]:
    document = copy.deepcopy(PUBLISHED)
    edit(document["$defs"]["Record"]["properties"], document)
    return document


def record(document: dict[str, Any]) -> Any:
    return document["$defs"]["Record"]


BROKEN: list[tuple[str, Edit, str]] = [
    ("a field removed", lambda p, d: p.pop("tags"), "tags: the field is gone"),
    ("a field renamed", lambda p, d: p.update(title=p.pop("name")), "name: the field is gone"),
    (
        "a nested field removed",
        lambda p, d: d["$defs"]["Pair"]["properties"].pop("app_id"),
        "pair.app_id: the field is",
    ),
    ("another type", lambda p, d: p.update(count={"type": "string"}), "count: the type was integer, is string"),
    ("null no more", lambda p, d: p.update(name=TEXT), "name: the type was string or null, is string"),
    ("null as well", lambda p, d: p.update(id=OPTIONAL_TEXT), "id: the type was string, is string or null"),
    ("a wider type", lambda p, d: p.update(kind={}), "kind: the type was string, is any"),
    ("optional made required", lambda p, d: record(d)["required"].append("tags"), "tags: it was optional"),
    ("required made optional", lambda p, d: record(d)["required"].remove("id"), "id: it was always there"),
    (
        "nested made required",
        lambda p, d: d["$defs"]["Pair"]["required"].append("app_id"),
        "pair.app_id: it was optional",
    ),
    ("a text closed", lambda p, d: p["kind"].update(enum=["a", "b"]), "kind: it was open, and is closed to ['a', 'b']"),
    ("closed without a type", lambda p, d: p.update(kind={"enum": ["a", "b"]}), "kind: it was open, and is closed to"),
    ("a text fixed", lambda p, d: p["kind"].update(const="a"), "kind: it was open, and is closed to a"),
    ("a bound lowered", lambda p, d: p.update(id=TEXT | {"maxLength": 9}), "id: maxLength was 100, is 9"),
    ("a bound raised", lambda p, d: p.update(id=TEXT | {"maxLength": 900}), "id: maxLength was 100, is 900"),
    ("a bound dropped", lambda p, d: p.update(id={"type": "string"}), "id: maxLength was 100, is not there"),
    ("a pattern asked for", lambda p, d: p["kind"].update(pattern="^a"), "kind: pattern was not there, is ^a"),
    ("items of another type", lambda p, d: p["tags"].update(items={"type": "integer"}), "tags[]: the type was string"),
    (
        "unknown fields refused",
        lambda p, d: record(d).update(additionalProperties=False),
        "additionalProperties was True",
    ),
    (
        "values of a mapping",
        lambda p, d: p["input"].update(additionalProperties=TEXT),
        "input.*: the type was string or",
    ),
    ("a new default", lambda p, d: p["origin"].update(default="import"), "origin: the default was app, is import"),
    ("a default dropped", lambda p, d: p["origin"].pop("default"), "origin: the default was app, is not there"),
    (
        "a new field that is required",
        lambda p, d: (p.update(added=TEXT), record(d)["required"].append("added")),
        "added: a new field is required",
    ),
    ("another name", lambda p, d: d.update({"$id": "urn:record:2"}), "the name was urn:record:1, is urn:record:2"),
]
FINE: list[tuple[str, Edit]] = [
    ("nothing", lambda p, d: None),
    ("an optional field added", lambda p, d: p.update(added=OPTIONAL_TEXT)),
    ("an optional field of a part", lambda p, d: d["$defs"]["Pair"]["properties"].update(added=TEXT)),
    ("a text for people", lambda p, d: (p["kind"].update(description="what"), record(d).update(title="R"))),
    ("a choice in another order", lambda p, d: p["name"]["anyOf"].reverse()),
    ("a part in its place", lambda p, d: p["pair"]["anyOf"].__setitem__(0, d["$defs"].pop("Pair"))),
    (
        "a part of another name",
        lambda p, d: (
            d["$defs"].update(Two=d["$defs"].pop("Pair")),
            p["pair"]["anyOf"].__setitem__(0, {"$ref": "#/$defs/Two"}),
        ),
    ),
    ("fields in another order", lambda p, d: p.update(id=p.pop("id"))),
]


@pytest.mark.parametrize(("edit", "text"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_breaks(edit: Edit, text: str) -> None:
    (found,) = broken_promises(PUBLISHED, changed(edit))
    assert text in found


@pytest.mark.parametrize("edit", [row[1] for row in FINE], ids=[row[0] for row in FINE])
def test_what_may_change(edit: Edit) -> None:
    assert broken_promises(PUBLISHED, changed(edit)) == []


def test_everything_that_breaks_is_said_at_once() -> None:
    document = changed(lambda properties, _: (properties.pop("tags"), properties.update(count=TEXT)))
    assert [line.partition(":")[0] for line in broken_promises(PUBLISHED, document)] == ["count", "tags"]


def test_a_record_that_holds_itself() -> None:
    document = changed(lambda properties, _: properties.update(next={"$ref": "#/$defs/Record"}))
    assert broken_promises(document, document) == []


@given(st.lists(st.sampled_from(FINE), max_size=4, unique=True), st.sampled_from(BROKEN))
def test_what_breaks_is_found_among_what_may_change(fine: list[tuple[str, Edit]], bad: tuple[str, Edit, str]) -> None:
    def edits(properties: dict[str, Any], document: dict[str, Any]) -> None:
        bad[1](properties, document)
        for name, edit in fine:
            if "part" not in name:  # the one that breaks may need it
                edit(properties, document)

    try:
        document = changed(edits)
    except KeyError:
        return  # the field that one edit changes, the other has taken away
    assert any(bad[2] in line for line in broken_promises(PUBLISHED, document))


TOPIC = {
    "address": "push-token.latest",
    "key": "string",
    "contentType": "application/json",
    "headers": ["ce_id", "ce_type"],
    "cleanup.policy": ["compact"],
    "delete.retention.ms": 100,
}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"address": "tokens.latest"}, "address was push-token.latest, is tokens.latest"),
        ({"cleanup.policy": ["delete"]}, "cleanup.policy was ['compact'], is ['delete']"),
        ({"key": ["string", "null"]}, "key was string, is"),
        ({"delete.retention.ms": 99}, "delete.retention.ms was 100, is 99"),
        ({"delete.retention.ms": None}, "delete.retention.ms was 100, is None"),
        ({"retention.bytes": 5}, "retention.bytes was None, is 5"),
        ({"headers": ["ce_type"]}, "the header ce_id was always there"),
        ({"message.timestamp.type": "LogAppendTime"}, "message.timestamp.type was None"),
        ({"delete.retention.ms": 101}, None),
        ({"headers": ["ce_id", "ce_subject", "ce_type"]}, None),
    ],
)
def test_topics(change: dict[str, Any], text: str | None) -> None:
    found = list(broken_topics({"latest": TOPIC}, {"latest": TOPIC | change, "added": TOPIC}))
    assert len(found) == (text is not None)
    assert text is None or text in found[0]


def test_a_topic_that_is_gone() -> None:
    assert list(broken_topics({"latest": TOPIC}, {})) == ["latest: the topic is gone"]


def test_nothing_that_was_published_is_broken() -> None:
    assert compatibility.main(["--check"]) == 0


def test_what_is_published_is_whole() -> None:
    """Every record and topic; so nothing was forgotten when it was published."""
    found = compatibility.published(compatibility.PUBLISHED / str(SCHEMA_VERSION))
    assert found.keys() == compatibility.current().keys()


class Narrowed(Struct, kw_only=True):
    """`Latest` after an incompatible change: `username` is never null, `last_seen` is gone, `locale` is asked for."""

    selector: str
    username: str
    calls: Slot | None
    other: Slot | None
    first_seen: int
    source: Source
    locale: str


class Widened(Latest, frozen=True, kw_only=True):
    """`Latest` after a compatible one."""

    locale: str | UnsetType = UNSET


def test_an_incompatible_type_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECORDS, "latest", Narrowed)
    assert compatibility.main(["--check"]) == 1
    said = capsys.readouterr().err
    for line in (
        "username: the type was string or null, is string",
        "last_seen: the field is gone",
        "locale: a new field",
    ):
        assert f"incompatible: latest: {line}" in said
    assert compatibility.main(["--publish"]) == 1, "nor can it be published"


def test_a_compatible_type_passes_and_is_promised_once_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compatibility, "PUBLISHED", tmp_path)
    assert compatibility.main(["--check"]) == 1
    assert "never published" in capsys.readouterr().err
    assert compatibility.main(["--publish"]) == 0
    monkeypatch.setitem(RECORDS, "latest", Widened)
    assert compatibility.main(["--check"]) == 0
    monkeypatch.undo()
    monkeypatch.setattr(compatibility, "PUBLISHED", tmp_path)
    assert compatibility.main(["--check"]) == 0, "what was never published may go again"
    monkeypatch.setitem(RECORDS, "latest", Widened)
    assert compatibility.main(["--publish"]) == 0
    assert (
        "locale"
        in json.loads((tmp_path / str(SCHEMA_VERSION) / "latest.json").read_text())["$defs"]["Widened"]["properties"]
    )
    monkeypatch.undo()
    monkeypatch.setattr(compatibility, "PUBLISHED", tmp_path)
    assert compatibility.main(["--check"]) == 1
    assert "latest: locale: the field is gone" in capsys.readouterr().err


def versions(monkeypatch: pytest.MonkeyPatch, root: Path, prefix: str) -> None:
    """Version 1 is published, and the types are those of version 2, on topics with this prefix."""
    monkeypatch.setattr(compatibility, "PUBLISHED", root)
    assert compatibility.main(["--publish"]) == 0
    now = compatibility.current()
    for name, document in now.items():
        if name == "topics":
            for role, topic in document.items():
                topic["address"] = f"{prefix}.{role}"
        else:
            document["$id"] = document["$id"].removesuffix("1") + "2"
    del now["change"]["$defs"]["Change"]["properties"]["slot"]
    monkeypatch.setattr(compatibility, "SCHEMA_VERSION", 2)
    monkeypatch.setattr(compatibility, "current", lambda: now)


def test_a_new_version_on_topics_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    versions(monkeypatch, tmp_path, "tokens-2")
    assert compatibility.main(["--check"]) == 1, "it is to be published first"
    assert compatibility.main(["--publish"]) == 0
    assert compatibility.main(["--check"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_a_new_version_cannot_break_the_old_ones_topics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(monkeypatch, tmp_path, "push-token")
    assert compatibility.main(["--publish"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "incompatible: version 1, whose topic it still is: change: slot: the field is gone"
    assert len(said) == 2


@pytest.mark.parametrize("name", RECORDS)
def test_the_checker_sees_every_field_of_every_record(name: str) -> None:
    """Take each field away, one at a time."""
    document = record_schema(name)
    for part in document["$defs"].values():
        for field in part.get("properties", {}):
            without = copy.deepcopy(document)
            del without["$defs"][part["title"]]["properties"][field]
            assert any(f"{field}: the field is gone" in line for line in broken_promises(document, without))


def test_make_check_runs_it() -> None:
    makefile = Path(__file__).resolve().parents[3] / "Makefile"
    recipe = makefile.read_text(encoding="utf-8").partition("\ncheck: ")[2].partition("\n\n")[0]
    assert "python -m schemas.compatibility --check" in recipe
