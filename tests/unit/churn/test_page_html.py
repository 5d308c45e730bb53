"""The page as text: whole, escaped, and without a request to anywhere else; and the file vendored for it."""

import hashlib
import re
from datetime import date
from html.parser import HTMLParser

import pytest

from deploy.dashboard.charts import CHARTS
from deploy.dashboard.csv_text import csv_text
from deploy.dashboard.page import STATIC, page, self_contained
from processors.churn.filters import Filters

TODAY = date(2026, 11, 24)
NASTY = '"><script>alert(1)</script>&amp;'


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def made(app_id: str = "") -> list[tuple[str, dict[str, str]]]:
    filters = Filters(from_day=date(2026, 8, 27), to_day=TODAY, app_id=app_id)
    return Elements(page(filters, ["com.example", NASTY], TODAY)).found


def test_every_address_is_our_own() -> None:
    for _, attributes in made():
        for name in ("src", "href", "action"):
            assert not re.match(r"^(\w+:)?//", attributes.get(name, ""))


def test_there_is_neither_inline_script_nor_inline_style() -> None:
    for tag, attributes in made():
        assert tag != "style" and "style" not in attributes
        assert tag != "script" or "src" in attributes
        assert not any(name.startswith("on") for name in attributes)


def test_what_comes_from_outside_is_escaped() -> None:
    found = made(app_id=NASTY)
    assert [attributes["src"] for tag, attributes in found if tag == "script"] == [
        "static/chart.umd.min.js",
        "static/dashboard.js",
    ]
    chosen = [attributes["value"] for tag, attributes in found if tag == "option" and "selected" in attributes]
    assert NASTY in chosen


def test_every_chart_has_its_card_and_its_download() -> None:
    found = made()
    cards = {attributes["data-chart"] for tag, attributes in found if "data-chart" in attributes}
    links = {attributes["href"].partition("?")[0] for tag, attributes in found if attributes.get("class") == "csv"}
    assert cards == set(CHARTS)
    assert links == {f"api/charts/{name}.csv" for name in CHARTS} | {"api/pipeline.csv"}


def test_no_figure_can_end_the_script_it_stands_in() -> None:
    text = self_contained("Churn", "as of now", '{"reach": "</script><img src=x>"}')
    tags = [tag for tag, _ in Elements(text).found]
    assert "img" not in tags and tags.count("script") == 3


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_app_id_becomes_a_formula(value: str) -> None:
    assert csv_text(["app_id", "number"], [[value, -1]]).splitlines()[1].lstrip('"').startswith("'")
    assert csv_text(["number"], [[-1]]).splitlines()[1] == "-1"


def test_the_vendored_library_is_the_file_that_the_notes_name() -> None:
    notes = (STATIC / "VENDORED.txt").read_text(encoding="utf-8")
    library = (STATIC / "chart.umd.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() in notes
    version = re.search(r"Chart\.js v([\d.]+)", library.decode())
    assert version is not None and f"Chart.js {version[1]}" in notes
    assert "MIT License" in (STATIC / "chart.LICENSE.txt").read_text(encoding="utf-8")
