"""The list of the forgotten, as the sink asks it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from processors.clickhouse import Rows
from processors.sink.erasures import SELECTOR, USERNAME, Erasures, digest

AT = 1_790_000_000_000


class _ClickHouse:
    """Answers the one query; FixedString comes as bytes."""

    def __init__(self, *entries: tuple[str, str]) -> None:
        self._entries = entries

    async def query(self, sql: str, parameters: Any = None, settings: Any = None) -> Rows:
        assert "FROM d.erasures" in sql
        at = datetime.fromtimestamp(AT / 1000, UTC)
        return Rows(("what", "digest", "at"), [(what, digest(text).encode(), at) for what, text in self._entries])


@pytest.mark.parametrize(
    ("selector", "username", "at", "erased"),
    [
        ("GONE", None, AT, True),
        ("GONE", "janedoe", AT, True),
        ("GONE", None, AT + 1, False),  # reported again after its erasure: a new one
        ("PASSED-ON", "johndow", AT, True),
        ("PASSED-ON", "johndow", AT + 1, False),
        ("PASSED-ON", "janedoe", AT, False),
        ("PASSED-ON", None, AT, False),
        ("PASSED-ON", "", AT, False),
        ("johndow", "GONE", AT, False),  # a name is no selector
    ],
)
async def test_what_was_erased(selector: str, username: str | None, at: int, erased: bool) -> None:
    list_ = Erasures(_ClickHouse((SELECTOR, "GONE"), (USERNAME, "johndow"), ("later", "PASSED-ON")), "d")  # type: ignore[arg-type]
    await list_.load()
    assert list_.holds(selector, username, at) is erased


async def test_an_empty_list_holds_nobody_and_is_known() -> None:
    list_ = Erasures(_ClickHouse(), "d")  # type: ignore[arg-type]
    await list_.load()
    assert list_.known
    assert not list_.holds("GONE", "johndow", 0)
