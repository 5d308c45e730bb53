"""The words of refusals: what the body says, what metrics and log say, and what the manual says of both."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from ingest import metrics
from schemas.secret import Secret
from schemas.settings import Ingest, Settings, Template
from tests.unit.ingest.asgi import Bench
from tests.unit.ingest.auth.client import basic_header

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "ingress.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (401|403|429|503) \| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
TOLD = {(int(status), body, word) for status, body, words in ROWS for word in re.findall(r"`(\w+)`", words)}
QUERY = "s=%selector%&u=%account[username]%&t=%pushToken%"
TEMPLATES = (
    Template(
        name="basic", url=f"https://h/basic?{QUERY}", auth="basic", auth_username="ann", auth_password=Secret("word")
    ),
    Template(
        name="digest", url=f"https://h/digest?{QUERY}", auth="digest", auth_username="a", auth_password=Secret("w")
    ),
    Template(
        name="header", url=f"https://h/header?{QUERY}", auth="header", auth_header="X-Key", auth_password=Secret("w")
    ),
    Template(name="open", url=f"https://h/open?{QUERY}"),
    Template(name="gone", kind="removal", url="https://h/gone?s=%selector%"),
)


def reasons() -> dict[str, float]:
    """How often each reason was counted."""
    metrics.flush()
    found: dict[str, float] = {}
    for family in REGISTRY.collect():
        if family.name == "pushtokens_ingest_requests":
            for sample in family.samples:
                if sample.name.endswith("_total") and sample.labels["reason"]:
                    word = sample.labels["reason"]
                    found[word] = found.get(word, 0.0) + sample.value
    return found


@pytest.mark.parametrize(
    ("path", "headers", "rates", "status"),
    [
        ("basic", {}, {}, 401),
        ("basic", {"Authorization": basic_header("ann", "guess")}, {}, 401),
        ("digest", {}, {}, 401),
        ("header", {}, {}, 403),
        ("header", {"X-Key": "guess"}, {}, 403),
        ("gone", {}, {}, 403),
        ("open", {}, {"selector_rate": 1}, 429),
        ("open", {}, {"account_rate": 1}, 429),
        ("open", {}, {"address_rate": 1}, 429),
    ],
)
async def test_the_manual_has_both_words(path: str, headers: dict[str, str], rates: Any, status: int) -> None:
    at = Bench(Settings(templates=TEMPLATES, ingest=Ingest(rate_cells=1024, **rates)))
    request = {"method": "GET", "target": f"/{path}?s=S&u=u&t=T", "headers": headers}
    if rates:
        assert (await at.send(request)).status == 200
    before = reasons()
    answer = await at.send(request)
    assert answer.status == status
    body = msgspec.json.decode(answer.body)["reason"]
    (word,) = [word for word, count in reasons().items() if count > before.get(word, 0.0)]
    assert (status, body, word) in TOLD or (body == word and f"`{word}`" in PAGE)


def test_every_closer_word_is_in_the_table_and_no_other() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "ingest").rglob("*.py")))
    given = re.findall(r'cause ?= ?"(\w+)"|_?CAUSE: Final = "(\w+)"', source)
    closer = {word for pair in given for word in pair if word}
    closer |= set(re.findall(r'^(?:NONE|WRONG|STALE): Final = "(\w+)"', source, re.MULTILINE))
    closer |= set(re.findall(r'"((?:selector|account|address)_rate)"', source))
    assert len(closer) > 8
    assert closer | {"busy"} == {word for *_, word in TOLD}
