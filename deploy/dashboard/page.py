"""The page as HTML text: one for the server, one with everything inside it for `pushtokens churn --html`."""

from collections.abc import Iterable
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from deploy.dashboard.charts import CHARTS, Chart
from processors.churn.filters import Filters

STATIC: Final = Path(__file__).parent / "static"
_RANGES: Final = ((30, "30 days"), (90, "90 days"), (365, "1 year"))
_SLOTS: Final = (("", "Both"), ("calls", "Calls"), ("other", "Other"))
_PLATFORMS: Final = (("", "All"), ("ios", "iOS"), ("android", "Android"), ("unknown", "Unknown"))
_PIPELINE: Final = (
    ("pipeline_rate", "Is the pipeline moving?", "Reports a second: accepted, compacted, written to ClickHouse."),
    ("pipeline_lag", "Is it keeping up?", "Records that wait for the compactor and the sink. It should return to 0."),
)
_COHORTS: Final = (("1", "1 week"), ("4", "4 weeks"), ("13", "13 weeks"), ("0", "All in one"))


def page(filters: Filters, app_ids: Iterable[str], today: date) -> str:
    """The dashboard's page (HTML): the form filled in, a card for each chart; the script fetches the figures."""
    cards = "".join(_chart_card(chart, filters) for chart in CHARTS.values())
    body = (
        f'{_header("Churn")}<main id="main">{_form(filters, app_ids, today)}'
        f'<p id="as-of" class="as-of" role="status">&nbsp;</p><div class="cards">{cards}</div>{_pipeline()}</main>'
    )
    assets = (
        '<link rel="stylesheet" href="static/dashboard.css">'
        '<script src="static/chart.umd.min.js" defer></script><script src="static/dashboard.js" defer></script>'
    )
    return _document("Push tokens: churn", assets, body)


def self_contained(title: str, subtitle: str, drawings_json: str) -> str:
    """The report (HTML) that needs no network: styles, scripts and the figures (`drawings_json`, JSON) inside it."""
    cards = "".join(_chart_card(chart, None) for chart in CHARTS.values())
    figures = drawings_json.replace("<", "\\u003c")  # no app id can end the element
    body = (
        f'{_header(title)}<main id="main"><p class="as-of">{escape(subtitle)}</p>'
        f'<div class="cards">{cards}</div></main><script type="application/json" id="figures">{figures}</script>'
    )
    scripts = "".join(f"<script>{_read(name)}</script>" for name in ("chart.umd.min.js", "dashboard.js"))
    return _document(title, f"<style>{_read('dashboard.css')}</style>", body + scripts)


def _document(title: str, assets: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title>{assets}</head><body>{body}</body></html>\n"
    )


def _header(title: str) -> str:
    return (
        '<a class="skip" href="#main">Skip to the charts</a>'
        f'<header class="top"><h1><span class="mark" aria-hidden="true"></span>{escape(title)}</h1>'
        '<p class="tag">Push tokens: who can be reached, what changes, who is lost</p></header>'
    )


def _form(filters: Filters, app_ids: Iterable[str], today: date) -> str:
    apps = [("", "All"), *((app, app) for app in app_ids if app)]
    if filters.app_id and (filters.app_id, filters.app_id) not in apps:
        apps.append((filters.app_id, filters.app_id))
    days = "".join(_range_link(filters, days, text, today) for days, text in _RANGES)
    return (
        '<form id="filters" class="filters" method="get" action="." aria-label="Filters">'
        f'<div class="ranges" role="group" aria-label="Days">{days}</div>'
        f"{_date('from', 'From', filters.from_day, today)}{_date('to', 'To', filters.to_day, today)}"
        f"{_select('slot', 'Slot', _SLOTS, filters.slot)}{_select('app_id', 'App id', apps, filters.app_id)}"
        f"{_select('platform', 'Platform', _PLATFORMS, filters.platform)}"
        f"{_select('weeks', 'Lifetimes by', _COHORTS, str(filters.weeks))}"
        '<button type="submit">Show</button></form>'
    )


def _range_link(filters: Filters, days: int, text: str, today: date) -> str:
    first = today - timedelta(days=days - 1)
    chosen = (filters.from_day, filters.to_day) == (first, today)
    query = {"from": first.isoformat(), "to": today.isoformat()} | _narrowed(filters)
    current = ' aria-current="true"' if chosen else ""
    return f'<a href="?{escape(urlencode(query))}" data-from="{first}" data-to="{today}"{current}>{text}</a>'


def _narrowed(filters: Filters) -> dict[str, str]:
    given = {"slot": filters.slot, "app_id": filters.app_id, "platform": filters.platform, "weeks": str(filters.weeks)}
    return {name: value for name, value in given.items() if value}


def _date(name: str, label: str, value: date, today: date) -> str:
    return (
        f'<label class="field"><span>{label}</span>'
        f'<input type="date" name="{name}" value="{value}" min="1970-01-02" max="{today}" required></label>'
    )


def _select(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str) -> str:
    inner = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return f'<label class="field"><span>{label}</span><select name="{name}">{inner}</select></label>'


def _chart_card(chart: Chart, filters: Filters | None) -> str:
    """A card; with `filters`, it has a link to its numbers as CSV."""
    link = ""
    if filters is not None:
        given = {name: value for name, value in filters.parameters().items() if value != ""}
        link = f"api/charts/{chart.name}.csv?{urlencode(given)}"
    return _card(chart.name, f"{chart.kind} {chart.unit} {chart.x}", chart.title, chart.help, link)


def _card(name: str, form: str, title: str, text: str, link: str, *, fetched: bool = True) -> str:
    """`form`: kind, unit and x of the chart, as the script reads them."""
    kind, unit, x = form.split()
    chart = f' data-chart="{name}"' if fetched else ""
    csv = f'<a class="csv" href="{escape(link)}" download>Download CSV</a>' if link else ""
    table = f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {escape(title)}"></div>'
    return (
        f'<section class="card" id="{name}"{chart} data-kind="{kind}" data-unit="{unit}" data-x="{x}" '
        f'aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}</h2>'
        f'<p class="headline"><b>…</b> <span></span></p><p class="help">{escape(text)}</p>'
        f'<div class="plot"><canvas role="img" aria-label="{escape(title)}"></canvas>'
        f'<p class="message" hidden></p></div>'
        f'<div class="tools"><details><summary>Show as table</summary>{table}</details>{csv}</div></section>'
    )


def _pipeline() -> str:
    cards = "".join(
        _card(name, "line count time", title, text, "api/pipeline.csv", fetched=False)
        for name, title, text in _PIPELINE
    )
    return f'<h2 class="part">Pipeline, last hour</h2><div class="cards">{cards}</div>'


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8").replace("</script", "<\\/script")
