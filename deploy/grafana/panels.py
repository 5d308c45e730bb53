"""A Grafana board over Prometheus (JSON model, schema 39), made of panels that are named and laid out here."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

_SOURCE: Final = {"type": "prometheus", "uid": "${prometheus}"}
_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 8


class Query(Struct, frozen=True):
    """One expression (PromQL) and how its series are called (Grafana's legend format)."""

    expr: str
    legend: str


class Panel(Struct, frozen=True):
    """A graph: title, what it says, Grafana's name of the unit, its queries."""

    title: str
    help: str
    unit: str
    queries: Sequence[Query]
    stacked: bool = False


class Board(Struct, frozen=True):
    """A board: its rows, each a title and panels."""

    uid: str
    title: str
    help: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    def panels(self) -> Iterator[Panel]:
        """All panels, in their order."""
        for _, panels in self.rows:
            yield from panels

    def json(self) -> dict[str, Any]:
        """The board as Grafana imports it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.help,
            "tags": ["push-token-pipeline"],
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "timezone": "utc",
            "time": {"from": "now-6h", "to": "now"},
            "refresh": "30s",
            "templating": {
                "list": [{"name": "prometheus", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
            },
            "panels": list(_placed(self.rows)),
        }


def quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    """The median, the 99th percentile and the 99.9th of a histogram."""
    sums = f"sum by (le{by}) (rate({metric}_bucket[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({share}, {sums})", text)
        for share, text in ((0.5, "half"), (0.99, "99 %"), (0.999, "99.9 %"))
    )


def _placed(rows: Iterable[tuple[str, Sequence[Panel]]]) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in rows:
        number += 1
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        top += 1
        for at, panel in enumerate(panels):
            number += 1
            across, down = at % (_COLUMNS // _WIDTH), at // (_COLUMNS // _WIDTH)
            place = {"x": across * _WIDTH, "y": top + down * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
            yield _panel(number, panel) | {"gridPos": place}
        top += -(-len(panels) * _WIDTH // _COLUMNS) * _HEIGHT


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    custom = {"fillOpacity": 60, "stacking": {"mode": "normal"}} if panel.stacked else {"fillOpacity": 5}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend}
            for at, query in enumerate(panel.queries)
        ],
    }
