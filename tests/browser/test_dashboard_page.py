"""The dashboard as a person sees it: in a real Chromium, over the real engine."""

import csv
import io
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import expect

from deploy.dashboard.charts import CHARTS
from deploy.dashboard.series import Drawing, draw
from deploy.local.environment import environment
from processors.churn.figures import figures
from processors.churn.filters import Filters, parse
from processors.clickhouse import ClickHouse
from schemas.settings import Settings
from tests.browser.conftest import Open, Served, Watched, serving, today
from tests.engines import make_settings

IN_PAGE = """(id) => {
  const chart = Chart.getChart(document.querySelector(`#${id} canvas`));
  return chart && { labels: chart.data.labels, series: chart.data.datasets.map((d) => [d.label, d.data]) };
}"""


def asked(settings: Settings, name: str, filters: Filters) -> Drawing:
    """What the query itself gives for a chart."""
    with ClickHouse(settings) as clickhouse:
        return draw(CHARTS[name], figures(clickhouse, CHARTS[name].metric, filters), filters)


def drawn(watched: Watched, name: str) -> Any:
    return watched.page.evaluate(IN_PAGE, name)


def shows(watched: Watched, settings: Settings, name: str, filters: Filters) -> None:
    expected = asked(settings, name, filters)
    assert any(value for one in expected.series for value in one.values), f"{name}: nothing to see in the test's data"
    assert drawn(watched, name) == {
        "labels": expected.labels,
        "series": [[one.label, msgspec.to_builtins(one.values)] for one in expected.series],
    }
    expect(watched.page.locator(f"#{name} .headline b")).to_have_text(expected.headline)
    expect(watched.page.locator(f"#{name} .headline span")).to_have_text(expected.note)


def clean(watched: Watched) -> None:
    assert watched.errors == []
    assert watched.outside == []


def test_every_chart_shows_what_its_query_returns(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(dashboard.url)
    for name in CHARTS:
        shows(watched, dashboard.settings, name, parse({}, today()))
    clean(watched)


@pytest.mark.parametrize(("field", "value"), [("slot", "other"), ("app_id", "com.blue.phone"), ("platform", "android")])
def test_a_choice_narrows_every_chart(dashboard: Served, opened: Open, field: str, value: str) -> None:
    watched = opened()
    watched.show(dashboard.url)
    before = drawn(watched, "rotated")
    watched.page.locator(f"select[name={field}]").select_option(value)
    watched.page.wait_for_url(f"**{field}={value}**")
    watched.wait()
    filters = parse({field: value}, today())
    for name in ("reach", "active_selectors", "rotated", "survival", "removal_vs_silent"):
        shows(watched, dashboard.settings, name, filters)
    assert drawn(watched, "rotated") != before
    watched.page.go_back()
    watched.page.wait_for_url(dashboard.url + "/")
    watched.wait()
    assert drawn(watched, "rotated") == before
    clean(watched)


def test_days_are_chosen_by_link_and_by_hand(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(dashboard.url)
    watched.page.get_by_role("link", name="30 days").click()
    watched.page.wait_for_url(f"**from={today() - timedelta(days=29)}**")
    watched.wait()
    shows(watched, dashboard.settings, "reach", parse({}, today(), 30))
    expect(watched.page.get_by_role("link", name="30 days")).to_have_attribute("aria-current", "true")
    first, last = today() - timedelta(days=70), today() - timedelta(days=50)
    watched.page.get_by_label("From", exact=True).fill(first.isoformat())
    watched.page.get_by_label("To", exact=True).fill(last.isoformat())
    watched.page.get_by_role("button", name="Show").click()
    watched.page.wait_for_url(f"**to={last}**")
    watched.wait()
    shows(watched, dashboard.settings, "rotated", Filters(from_day=first, to_day=last))
    clean(watched)


def test_a_link_opens_with_its_filters(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(f"{dashboard.url}/?slot=other&weeks=0")
    expect(watched.page.locator("select[name=slot]")).to_have_value("other")
    expect(watched.page.locator("select[name=weeks]")).to_have_value("0")
    filters = parse({"slot": "other", "weeks": "0"}, today())
    shows(watched, dashboard.settings, "survival", filters)
    assert len(drawn(watched, "survival")["series"]) == 1
    clean(watched)


def test_the_table_and_the_download_have_the_numbers(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(dashboard.url)
    card = watched.page.locator("#reach")
    card.get_by_text("Show as table").click()
    cells = card.locator("table tr").all_inner_texts()
    expected = asked(dashboard.settings, "reach", parse({}, today()))
    assert cells[0].split("\t") == ["Day", *(one.label for one in expected.series)]
    assert len(cells) == 1 + len(expected.labels)
    last = [one.values[-1] for one in expected.series]
    assert cells[-1].split("\t") == [expected.labels[-1], *(f"{value:,}" for value in last)]
    with watched.page.expect_download() as download:
        card.get_by_role("link", name="Download CSV").click()
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text())))
    with ClickHouse(dashboard.settings) as clickhouse:
        asked_rows = figures(clickhouse, "reach", parse({}, today()))
    assert rows[0] == list(asked_rows.names)
    assert rows[1:] == [["" if value is None else str(value) for value in row] for row in asked_rows.rows]
    clean(watched)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_in_both_schemes(dashboard: Served, opened: Open, width: int, scheme: str) -> None:
    watched = opened(width, color_scheme=scheme)
    watched.show(dashboard.url)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    ground = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    text = watched.page.evaluate("getComputedStyle(document.body).color")
    assert (_lightness(ground) > _lightness(text)) is (scheme == "light")
    for name in CHARTS:
        box = watched.page.locator(f"#{name} canvas").bounding_box()
        assert box is not None and box["width"] > 250 and box["height"] > 150
    clean(watched)


def test_it_can_be_used_by_keyboard_and_read_aloud(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(dashboard.url)
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the charts"
    summary = page.locator("#reach summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#reach table")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    for control in page.locator("#filters input, #filters select").all():
        assert control.evaluate("(element) => element.labels.length") == 1
    for name, chart in CHARTS.items():
        label = page.locator(f"#{name} canvas").get_attribute("aria-label") or ""
        assert label.startswith(chart.title) and len(label) > len(chart.title) + 10
        expect(page.locator(f"#{name} .help")).to_have_text(chart.help)
    clean(watched)


def test_no_figures_says_so_instead_of_drawing(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(f"{dashboard.url}/?app_id=com.never.seen")
    expect(watched.page.locator("#reach .message")).to_have_text("Nothing in these days for these filters.")
    assert drawn(watched, "reach") is None
    clean(watched)


def test_an_app_id_is_text_and_nothing_else(dashboard: Served, opened: Open) -> None:
    watched = opened()
    watched.show(dashboard.url + "/?app_id=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert watched.page.locator("img").count() == 0
    expect(watched.page.locator("select[name=app_id]")).to_have_value('"><img src=x onerror=alert(1)>')
    clean(watched)


def test_clickhouse_away_is_said_in_every_card(tmp_path: Path, opened: Open) -> None:
    settings = make_settings(tmp_path, "127.0.0.1:1", "http://127.0.0.1:1")
    with serving(settings, ready=False) as served:
        watched = opened()
        watched.page.goto(served.url)
        expect(watched.page.locator("#reach .message.error")).to_be_visible(timeout=20_000)
        assert watched.outside == []


def test_a_login_is_asked_for_where_one_is_set(history: Settings, tmp_path: Path, opened: Open) -> None:
    locked = make_settings(tmp_path, "127.0.0.1:1", "http://127.0.0.1:1", dashboard={"password": "s3cret"}).dashboard
    secured = msgspec.structs.replace(history, dashboard=locked)
    with serving(secured) as served:
        for path in ("/", "/api/charts/reach", "/api/charts/reach.csv", "/api/pipeline", "/static/dashboard.js"):
            for login in (None, ("admin", "wrong"), ("root", "s3cret")):
                assert httpx.get(served.url + path, auth=login, trust_env=False).status_code == 401
        known = opened(http_credentials={"username": "admin", "password": "s3cret"})
        known.show(served.url)
        shows(known, secured, "reach", parse({}, today()))
        assert known.outside == []


def test_the_report_needs_no_network(history: Settings, tmp_path: Path, opened: Open) -> None:
    file = tmp_path / "churn.html"
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "churn", "--html", str(file)],
        env=environment(history, {"PATH": "/usr/bin:/bin"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    watched = opened(offline=True)
    watched.show(file.as_uri())
    for name in CHARTS:
        shows(watched, history, name, parse({}, today()))
    clean(watched)


def _lightness(colour: str) -> int:
    """`rgb(r, g, b)` to the sum of the three."""
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_the_test_data_reaches_up_to_today(dashboard: Served) -> None:
    with ClickHouse(dashboard.settings) as clickhouse:
        newest = clickhouse.query("SELECT toDate(max(received_at)) FROM reports").scalar()
    assert isinstance(newest, date) and newest >= today() - timedelta(days=1)
