"""The examples for the teams downstream: short, in the manual, and of nothing of ours but `schemas`. (What they do is
tested in `tests/integration/downstream`.)"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from schemas.cloudevents import headers
from schemas.records import encode
from tests.unit.schemas.consumer.test_latest_copy import latest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_file())
PAGE = (ROOT / "docs" / "consume.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_in_the_manual(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 90
    assert f"](../examples/{path.name})" in PAGE
    tests = [each.read_text(encoding="utf-8") for each in (ROOT / "tests/integration/downstream").glob("test_*.py")]
    assert any(f'"{path.name}"' in test for test in tests), "every example runs in a test"
    assert re.search("read_committed", text), "or it would show what was given up"


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.suffix == ".py"], ids=lambda path: path.name)
def test_an_example_needs_no_more_of_ours_than_schemas(path: Path) -> None:
    names = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in names if name.partition(".")[0] in ("schemas", "ingest", "processors", "deploy", "tests")}
    assert ours and all(name.startswith(("schemas.consumer.", "schemas.records")) for name in ours)


class Message:
    """As confluent-kafka has it."""

    def __init__(self, key: bytes, value: bytes | None, event: str = "latest") -> None:
        self.key = lambda: key
        self.value = lambda: value
        self.headers = lambda: headers(event, "id", 0)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message(b"S", encode(latest("S", 7))), [("known", "S", 7)]),
        (Message(b"S", None), [("gone", "S")]),
        (Message(b"S", b"{}", "of-a-later-version"), []),
    ],
)
def test_the_manuals_own_lines_work(message: Message, expected: list[Any]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done: list[Any] = []
    scope = {
        "message": message,
        "remember": lambda selector, calls, _: done.append(("known", selector, calls.since)),
        "forget": lambda selector: done.append(("gone", selector)),
    }
    exec(compile(block, "docs/consume.md", "exec"), scope)
    assert done == expected
