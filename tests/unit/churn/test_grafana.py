"""The Grafana dashboard is the same queries in Grafana's words."""

import json
import re

import pytest

from deploy.grafana.dashboard import panel_sql
from deploy.grafana.write import FOLDER, drifted
from processors.churn.metrics import METRICS, sql

# Grafana's words for ours, turned round: written out here once more on purpose.
OURS = {
    "toDate($__fromTime)": "{from:Date}",
    "toDate($__toTime)": "{to:Date}",
    "${slot:sqlstring}": "{slot:String}",
    "${app_id:sqlstring}": "{app_id:String}",
    "${platform:sqlstring}": "{platform:String}",
    "toUInt16($weeks)": "{weeks:UInt16}",
    "push_tokens.": "",
}


def panels() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((FOLDER / "churn.json").read_text(encoding="utf-8"))["panels"]
    return found


def test_the_files_are_what_the_code_makes_of_them() -> None:
    assert drifted() == []


def test_every_panels_sql_is_a_query_file() -> None:
    files = {sql(name) for name in METRICS if name != "app_ids"}
    found = set()
    for panel in panels():
        (target,) = panel["targets"]  # type: ignore[misc]
        raw = target["rawSql"]  # type: ignore[has-type]
        for theirs, ours in OURS.items():
            raw = raw.replace(theirs, ours)
        found.add(raw)
    assert found == files


@pytest.mark.parametrize("name", METRICS)
def test_no_placeholder_of_ours_is_left_and_every_table_has_its_database(name: str) -> None:
    code = "\n".join(line for line in panel_sql(name).splitlines() if not line.startswith("--"))
    assert not re.search(r"(?<!\$)\{", code)
    assert all(table.startswith("push_tokens.") or table == "numbers" for table in re.findall(r"\bFROM ([\w.]+)", code))


def test_variables_are_those_the_queries_use() -> None:
    names = {
        one["name"] for one in json.loads((FOLDER / "churn.json").read_text(encoding="utf-8"))["templating"]["list"]
    }
    assert names == {"source", "slot", "app_id", "platform", "weeks"}
