"""The example records are what the types, and the JSON Schemas made from them, say."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest

from schemas.documents.json_schema import RECORDS, record_schema
from schemas.records import InvalidRecordError, decode_report
from tests.examples import examples

GOOD = examples("good", "records")
BAD = examples("bad", "records")


def validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(record_schema(name))


@pytest.mark.parametrize("name", GOOD)
def test_good_record(name: str) -> None:
    example = GOOD[name]
    value = json.dumps(example["value"]).encode()
    record = msgspec.json.decode(value, type=RECORDS[example["record"]])
    validator(example["record"]).validate(example["value"])
    known = {key: example["value"][key] for key in example["value"] if hasattr(record, key)}
    again = json.loads(msgspec.json.encode(record))
    assert {key: again[key] for key in known} == known


@pytest.mark.parametrize("name", BAD)
def test_bad_record(name: str) -> None:
    example = BAD[name]
    value = example["value"] if isinstance(example["value"], str) else json.dumps(example["value"])
    with pytest.raises(InvalidRecordError) as caught:
        decode_report(value.encode())
    assert "Udl99X2JFP1bWwS5gR" not in str(caught.value)
    assert not validator("report").is_valid(example["value"])
