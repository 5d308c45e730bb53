"""The examples under `schemas/examples` that all suites share: requests, records and templates, good and bad."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from schemas.secret import Secret
from schemas.settings import Settings, Template

ROOT = Path(__file__).resolve().parent.parent / "schemas" / "examples"


@cache
def examples(kind: str, what: str) -> dict[str, dict[str, Any]]:
    """By file name: `kind` is `good` or `bad`, `what` is `requests`, `records` or `templates`."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((ROOT / kind / what).glob("*.json"))}
    assert found
    return found


def templates_of(example: dict[str, Any]) -> tuple[Template, ...]:
    """The templates that an example is for; none means the built-in ones."""
    return msgspec.convert(example.get("templates", []), tuple[Template, ...], dec_hook=_secret)


def settings_of(example: dict[str, Any]) -> Settings:
    """Default settings with the example's templates."""
    return Settings(templates=templates_of(example))


def wire(example: dict[str, Any], *, close: bool = True) -> bytes:
    """The example's request as HTTP/1.1 (bytes), with its Content-Length where it has a body."""
    request = example["request"]
    body: bytes = request["body"].encode()
    headers = {name: value for name, value in request["headers"].items() if name.lower() != "connection"}
    if body:
        headers["Content-Length"] = str(len(body))
    if close:
        headers["Connection"] = "close"
    lines = [f"{request['method']} {request['target']} HTTP/1.1", *(f"{key}: {text}" for key, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _secret(kind: type, value: object) -> object:
    assert kind is Secret
    return Secret(str(value))
