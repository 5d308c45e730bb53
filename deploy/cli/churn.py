"""`pushtokens churn`: the churn figures on the terminal, as JSON or CSV, or as a page to keep."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from deploy.cli.churn_output import as_json, show_list, show_table
from deploy.dashboard.csv_text import csv_text
from deploy.hint import hint
from deploy.local import probe
from processors.churn.figures import figures
from processors.churn.filters import PLATFORMS, SLOTS, FilterError, Filters, parse
from processors.churn.metrics import METRICS
from processors.churn.rollup import Build, last_build, rebuild, refresh
from processors.clickhouse import AwayError, ClickHouse, RefusedError
from schemas.settings import Settings

HELP = "churn figures: active, new, rotated, removed, reach, lifetimes and more, by day, slot, app id and platform"
EXAMPLES = """\
  pushtokens churn                                        the last 14 days, by day and slot
  pushtokens churn --list                                 every metric and what it means
  pushtokens churn reach --days 90 --platform ios
  pushtokens churn rotated --from 2026-10-01 --to 2026-10-31 --slot calls --app-id com.example.app.pushkit --csv
  pushtokens churn survival --weeks 1 --json
  pushtokens churn --html churn.html                      all charts in one file that needs no network"""

_NO_TABLE = (60, 81)  # UNKNOWN_TABLE, UNKNOWN_DATABASE (src/Common/ErrorCodes.cpp)
_BEHIND = ("pushtokens_sink_lag_records", "pushtokens_sink_buffered_bytes")
_TERMINAL_DAYS = 14
_PAGE_DAYS = 90


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to ask, what to narrow it to, how to give it."""
    parser.add_argument(
        "metric", nargs="?", default="daily", choices=sorted(METRICS), metavar="METRIC", help="default: daily"
    )
    parser.add_argument("--list", action="store_true", help="list the metrics with their definitions, and stop")
    parser.add_argument("--from", dest="from_day", default="", metavar="DAY", help="first day (UTC), as 2026-11-24")
    parser.add_argument("--to", dest="to_day", default="", metavar="DAY", help="last day (UTC); default: today")
    parser.add_argument("--days", type=int, default=0, help="how many days end with --to, in place of --from")
    parser.add_argument("--slot", default="", choices=SLOTS, help="calls or other; default: both")
    parser.add_argument("--app-id", default="", help="one app id; default: all")
    parser.add_argument("--platform", default="", choices=PLATFORMS, help="ios, android or unknown; default: all")
    parser.add_argument("--weeks", default="", help="survival: weeks in one cohort, 0 for a single cohort; default: 4")
    parser.add_argument("--rebuild", action="store_true", help="compute the roll-ups now, however recent they are")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON document with filters, definition and rows")
    form.add_argument("--csv", action="store_true", help="CSV with a header line")
    form.add_argument("--html", metavar="FILE", default="", help="write all charts to one self-contained HTML file")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 0: shown; 1: ClickHouse cannot answer or the file cannot be written; 2: a filter is wrong."""
    if arguments.list:
        show_list()
        return 0
    try:
        filters = _filters(arguments)
    except FilterError as error:
        return _fail(str(error), 2)
    try:
        build = _refreshed(settings, force=arguments.rebuild)
        with ClickHouse(settings) as clickhouse:
            code = _answer(arguments, clickhouse, filters, build)
        _say_what_is_missing(settings)
        return code
    except AwayError as error:
        return _fail(f"{error}: is it up at {settings.clickhouse_url}?{hint(settings)}", 1)
    except RefusedError as error:
        if error.code in _NO_TABLE:
            return _fail("the ClickHouse schema is missing or old: run `pushtokens init`", 1)
        return _fail(f"{error}: {error.detail}", 1)
    except OSError as error:
        return _fail(f"cannot write {arguments.html}: {error.strerror}", 1)


def _answer(arguments: argparse.Namespace, clickhouse: ClickHouse, filters: Filters, build: Build) -> int:
    if arguments.html:
        from deploy.dashboard.report import report

        Path(arguments.html).write_text(report(clickhouse, filters, build), encoding="utf-8")
        print(f"written: {arguments.html}", file=sys.stderr)
        return 0
    metric = METRICS[arguments.metric]
    rows = figures(clickhouse, metric.name, filters)
    if arguments.json:
        print(as_json(metric, filters, build, rows))
    elif arguments.csv:
        sys.stdout.write(csv_text(rows.names, rows.rows))
    else:
        show_table(metric, filters, build, rows)
    return 0


def _filters(arguments: argparse.Namespace) -> Filters:
    if arguments.days < 0 or (arguments.days and arguments.from_day):
        raise FilterError("--days is a number of days, and takes the place of --from")
    given = {
        "from": arguments.from_day,
        "to": arguments.to_day,
        "slot": arguments.slot,
        "app_id": arguments.app_id,
        "platform": arguments.platform,
        "weeks": arguments.weeks,
    }
    days = arguments.days or (_PAGE_DAYS if arguments.html or arguments.metric != "daily" else _TERMINAL_DAYS)
    return parse(given, datetime.now(UTC).date(), days)


def _refreshed(settings: Settings, *, force: bool) -> Build:
    """The roll-ups brought up to date, with the long deadline of a build."""
    with ClickHouse(settings, timeout=settings.dashboard.rebuild_timeout) as clickhouse:
        if force:
            return rebuild(clickhouse)
        if last_build(clickhouse) is None and sys.stderr.isatty():
            print("computing the roll-ups for the first time …", file=sys.stderr)
        return refresh(clickhouse)


def _say_what_is_missing(settings: Settings) -> None:
    """Right after many reports the sink is still writing them: these figures are then not the last word."""
    answer = probe.get(probe.Target("sink", settings.sink.host, settings.sink.port), "/metrics")
    samples = probe.parse(answer[1]) if answer and answer[0] == 200 else []
    behind = sum(value for name, _, value in samples if name in _BEHIND)
    if behind:
        print("note: the sink is still writing reports into ClickHouse: run this again with --rebuild", file=sys.stderr)


def _fail(text: str, code: int) -> int:
    print(f"pushtokens churn: {text}", file=sys.stderr)
    return code
