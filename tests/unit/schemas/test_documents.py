"""The generated documents: they follow the types, and are what they say they are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import validate

from ingest.builtin import ALIASES
from ingest.template_set import template_set
from schemas import write
from schemas.documents.asyncapi import asyncapi
from schemas.documents.json_schema import RECORDS, record_schema
from schemas.documents.openapi import openapi
from schemas.documents.settings_table import settings_table
from schemas.records import SCHEMA_VERSION
from schemas.settings import Settings
from schemas.topics import Topics, topics
from tests.unit.schemas.test_records import CHANGE, REPORT, SLOT, SOURCE


def test_no_document_has_drifted() -> None:
    assert write.drifted() == [], "run `make documents`"


def test_a_drift_is_found_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "ROOT", tmp_path)
    assert sorted(write.drifted()) == sorted(write.documents())
    assert write.main(["--check"]) == 1
    assert write.main([]) == 0
    assert write.drifted() == []
    changed = tmp_path / "schemas/json/report.json"
    changed.write_text(changed.read_text().replace("install_id", "installation"))
    assert write.drifted() == ["schemas/json/report.json"]


@pytest.mark.parametrize("name", RECORDS)
def test_each_schema_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(record_schema(name))
    assert record_schema(name)["$id"] == f"urn:push-token-pipeline:{name}:{SCHEMA_VERSION}"


LATEST = {
    "selector": "S",
    "username": None,
    "calls": msgspec.to_builtins(SLOT),
    "other": None,
    "first_seen": 1,
    "last_seen": 2,
    "source": msgspec.to_builtins(SOURCE),
}


@pytest.mark.parametrize(
    ("name", "record"), [("report", REPORT), ("latest", LATEST), ("change", msgspec.to_builtins(CHANGE))]
)
def test_schema_and_decoder_agree(name: str, record: dict[str, Any]) -> None:
    """What the schema takes the type takes, and a record without a required field is refused by both."""
    validator = Draft202012Validator(record_schema(name))
    validator.validate(record)
    msgspec.convert(record, RECORDS[name])
    required = [field.name for field in msgspec.structs.fields(RECORDS[name]) if field.required]
    assert required
    for field in required:
        less = {key: value for key, value in record.items() if key != field}
        with pytest.raises(ValidationError):
            validator.validate(less)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(less, RECORDS[name])


@pytest.mark.parametrize("wrong", [{"selector": ""}, {"received_at": -1}, {"calls": {"token": ""}}, {"username": 5}])
def test_the_schema_refuses_what_the_decoder_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(record_schema("report")).validate(REPORT | wrong)


def test_consumers_must_stand_fields_they_do_not_know() -> None:
    """Later versions add optional fields: no schema may forbid them."""
    Draft202012Validator(record_schema("report")).validate(REPORT | {"added_later": 1})
    assert "additionalProperties" not in json.dumps(
        [part for name in RECORDS for part in record_schema(name)["$defs"].values() if part["title"] != "Rejected"]
    )


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    at: Any = document
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        at = at[part.replace("~1", "/").replace("~0", "~")]
    return at


def test_asyncapi_is_whole() -> None:
    """AsyncAPI 3.0.0: required fields, references that lead somewhere, operations that use their channel's messages."""
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"] and document["info"]["version"]
    found = list(references(document))
    assert len(found) > 15
    for reference in found:
        resolve(document, reference)
    assert set(document["channels"]) == set(Topics.__struct_fields__)
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = resolve(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert resolve(document, message["$ref"]) in channel["messages"].values()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_asyncapi_names_the_topics_as_they_are_made() -> None:
    channels = asyncapi()["channels"]
    assert {role: channel["address"] for role, channel in channels.items()} == {
        role: f"push-token.{role}" for role in Topics.__struct_fields__
    }
    assert channels["latest"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact"]


# Every field that AsyncAPI 3.0.0 and the Kafka bindings 0.5.0 have for these objects; none of them may have another.
FIELDS = {
    "root": "asyncapi id info servers defaultContentType channels operations components",
    "server": "host protocol protocolVersion pathname description title summary variables security tags externalDocs "
    "bindings",
    "channel": "address messages title summary description servers parameters tags externalDocs bindings",
    "operation": "action channel title summary description security tags externalDocs bindings traits messages reply",
    "message": "headers payload correlationId contentType name title summary description tags externalDocs bindings "
    "examples traits",
    "server binding": "schemaRegistryUrl schemaRegistryVendor bindingVersion",
    "channel binding": "topic partitions replicas topicConfiguration bindingVersion",
    "operation binding": "groupId clientId bindingVersion",
    "message binding": "key schemaIdLocation schemaIdPayloadEncoding schemaLookupStrategy bindingVersion",
}


def objects(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document that has a fixed set of fields, with its kind."""
    yield "root", document
    found = {"server": document["servers"], "channel": document["channels"], "operation": document["operations"]}
    for kind, named in (found | {"message": document["components"]["messages"]}).items():
        for each in named.values():
            yield kind, each
            for protocol, binding in each.get("bindings", {}).items():
                assert protocol == "kafka"
                yield f"{kind} binding", binding


def test_asyncapi_has_only_fields_that_there_are() -> None:
    seen = set()
    for kind, each in objects(asyncapi()):
        assert set(each) <= set(FIELDS[kind].split()), kind
        if kind.endswith("binding"):
            assert each["bindingVersion"] == "0.5.0"
        seen.add(kind)
    assert seen == set(FIELDS)


def test_asyncapi_has_the_topics_settings() -> None:
    """As `init` makes them: each config is there, with the type that the bindings give it."""
    document = asyncapi()
    for role in Topics.__struct_fields__:
        spec = getattr(topics(Settings(partitions=8, replication_factor=3)), role)
        found = document["channels"][role]["bindings"]["kafka"]
        assert (found["topic"], found["partitions"], found["replicas"]) == (spec.name, 8, 3)
        config = found["topicConfiguration"]
        assert config.keys() == spec.config.keys()
        assert config.pop("cleanup.policy") == [spec.config["cleanup.policy"]]
        for name, value in config.items():
            assert str(value).lower() == spec.config[name].lower()
            assert not (isinstance(value, str) and value.isdigit())
    assert document["channels"]["latest"]["bindings"]["kafka"]["topicConfiguration"]["min.insync.replicas"] == 2
    assert document["channels"]["changes"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == 30 * 86400000


def test_asyncapi_says_how_to_log_in_and_whose_the_groups_are() -> None:
    document = asyncapi()
    schemes = {resolve(document, each["$ref"])["type"] for each in document["servers"]["production"]["security"]}
    assert schemes == {"scramSha512", "scramSha256", "plain", "X509"}
    for name, group in (
        ("compact_reports", Settings().compact.group),
        ("sink_reports", Settings().sink.group),
    ):
        operation = document["operations"][name]
        assert operation["action"] == "receive"
        assert operation["bindings"]["kafka"]["groupId"]["const"] == group
    sent = {name for name, operation in document["operations"].items() if operation["action"] == "send"}
    assert sent == {f"send_{role}" for role in Topics.__struct_fields__}


def test_openapi_is_valid() -> None:
    validate(json.loads(json.dumps(openapi())))


def test_openapi_has_the_ingress_as_it_is() -> None:
    """Paths and methods of the built-in templates, and names that all of them understand."""
    document = openapi()["paths"]
    found = {
        (path, method.upper())
        for path, item in document.items()
        for method in item
        if method in ("get", "post", "put", "delete") and item["servers"][0]["description"] == "ingress"
        if path not in ("/healthz", "/readyz", "/metrics")
    }
    templates = template_set(Settings())
    expected = set()
    for path in ("/token/", "/token/{username}/", "/pushToken/{username}/{selector}/{token}&appid={appid}"):
        for candidate in templates.find(path.replace("{", "").replace("}", "")):
            expected |= {(path, method) for method in candidate.template.methods}
    expected |= {("/account-removal/", method) for method in ("GET", "POST")}
    assert found == expected
    assert len(templates.templates) == 6, "a new built-in template belongs into the document"
    names = {parameter["name"] for parameter in document["/token/"]["get"]["parameters"]}
    assert names <= set(ALIASES) and {ALIASES[name] for name in names} == set(ALIASES.values())


def test_every_setting_is_in_the_table() -> None:
    page = settings_table()
    for top, section in get_type_hints(Settings).items():
        if isinstance(section, type) and issubclass(section, msgspec.Struct):
            for name in section.__struct_fields__:
                assert f"| `{top}.{name}` | `PUSHTOKENS_{top.upper()}_{name.upper()}` |" in page
        else:
            assert f"| `{top}` | `PUSHTOKENS_{top.upper()}` |" in page


def test_the_table_says_type_default_and_remark() -> None:
    page = settings_table()
    assert "| `ingest.port` | `PUSHTOKENS_INGEST_PORT` | whole number, 1 to 65535 | `8080` |  |" in page
    assert "| secret |  |" in page
    assert "| one of `json`, `text` | `json` |" in page
    assert "0: 4 embedded, 8 external" in page
    for line in page.splitlines():
        assert not line.startswith("|") or line.count("|") - 2 * line.count("\\|") in (5, 6)
