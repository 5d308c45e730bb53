"""What `pushtokens release` puts onto the log, and what it says."""

import argparse
import json
from typing import Any

import pytest
from msgspec.structs import replace

from deploy import releasing
from deploy.barrier import UnfinishedError
from deploy.cli import release
from deploy.cli.main import main
from schemas.lookup import AsOf, SelectorAnswer
from schemas.records import Slot, Source, decode_report, encode
from schemas.settings import Settings

KNOWN = SelectorAnswer(
    selector="S:1",
    username="ann",
    calls=Slot(token="tell-nobody", app_id="a", since=1, rotations=0),
    other=None,
    first_seen=1,
    last_seen=1,
    source=Source(log_id="A", partition=0, offset=1),
    as_of=AsOf(partition=0, offset=2, lag=0),
)


@pytest.mark.parametrize("to", [None, "bob"])
def test_the_record(to: str | None) -> None:
    encoded = encode(releasing.record("S:1", to, 1_790_000_000_000))
    record = decode_report(encoded)
    assert (record.kind, record.origin, record.selector) == ("release", "operator", "S:1")
    assert (record.username, record.calls, record.other, record.reason) == (None, None, None, None)
    assert (record.authenticated_username or None) == to
    assert (b"authenticated_username" in encoded) == (to is not None)


@pytest.mark.parametrize(
    ("found", "to", "said"),
    [
        (KNOWN, None, "applied: released"),
        (replace(KNOWN, bound_to="bob"), "bob", "applied: bound to bob"),
        (replace(KNOWN, bound_to="ann"), None, "applied, but a later record has bound it to ann"),
        (replace(KNOWN, bound_to="ann"), "bob", "applied, but a later record has bound it to ann"),
        (KNOWN, "bob", "applied, but a later record has released it"),
        (None, "bob", "applied; the selector has no pair now (removed, or never reported: is it spelled right?)"),
    ],
)
def test_what_it_says(found: SelectorAnswer | None, to: str | None, said: str) -> None:
    assert release.said_of(found, to) == said


@pytest.mark.parametrize("words", [[""], ["S:1", "--to", ""], ["S:1", "--to", " "]])
def test_nobody_is_not_somebody(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", *words]) == 2
    assert "belongs to nobody" in capsys.readouterr().err


def run(monkeypatch: pytest.MonkeyPatch, found: SelectorAnswer | Exception | None, *words: str) -> int:
    """The command, with somebody else's answer."""

    async def answer(*given: Any) -> SelectorAnswer | None:
        assert given[1:3] == ("S:1", None)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(releasing, "release", answer)
    parser = argparse.ArgumentParser()
    release.add_arguments(parser)
    return release.run(parser.parse_args(["S:1", *words]), Settings())


@pytest.mark.parametrize(("found", "known"), [(KNOWN, True), (None, False)])
def test_as_json_without_a_token(
    found: SelectorAnswer | None, known: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, found, "--json") == 0
    out = capsys.readouterr().out
    assert "tell-nobody" not in out
    told = json.loads(out)
    assert told["applied"] is True
    assert (told["known"] and told["known"]["calls"]["token"]) == ("<token 11>" if known else None)


@pytest.mark.parametrize("error", [UnfinishedError("not that far"), TimeoutError()])
def test_what_fails_is_said_in_a_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, error) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
