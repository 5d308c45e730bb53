"""What is counted, where it ends up, and that no label can hold what was sent."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from ingest import metrics
from ingest.counts import BOUNDS, Counts
from schemas.settings import Ingest, Settings
from tests.unit.ingest.asgi import Bench

ROOT = Path(__file__).resolve().parents[3]
SELECTOR = "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14"


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    metrics.flush()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition("").decode())
        for sample in family.samples
        if sample.name.startswith("pushtokens_ingest_")
    }


class Grown:
    """What has grown between `with Grown() as found:` and its end: name and labels to how much."""

    def __enter__(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        self._before, self._found = samples(), dict[Any, float]()
        return self._found

    def __exit__(self, *_: object) -> None:
        after = samples()
        self._found.update({k: v - self._before.get(k, 0.0) for k, v in after.items() if v != self._before.get(k, 0.0)})


def named(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"pushtokens_ingest_{name}", tuple(sorted(labels.items()))


def test_sums_are_taken_once_and_no_series_goes() -> None:
    counts = Counts()
    counts.known(["quiet"])
    for seconds in (0.0, 0.002, 0.0021, 0.6, 100.0):
        counts.accepted("app", seconds)
    counts.count("late", ("confirmed",), 3)
    counts.count("late", ("confirmed",))
    sums = counts.take()
    assert sums.accepted == {"quiet": 0, "app": 5}
    assert {BOUNDS[at] if at < len(BOUNDS) else "more": n for at, n in enumerate(sums.slots) if n} == {
        0.002: 2,
        0.005: 1,
        1.0: 1,
        "more": 1,
    }
    assert sums.seconds == pytest.approx(100.6041)
    assert sums.events == {("late", ("confirmed",)): 4}
    again = counts.take()
    assert (again.accepted, sum(again.slots), again.seconds, again.events) == ({"quiet": 0, "app": 0}, 0, 0.0, {})


def test_the_histogram_is_the_one_that_observe_makes() -> None:
    """Guards the private parts of prometheus-client that `flush` uses."""
    times = [0.0, 0.001, *BOUNDS, 0.7, 9.0]
    with Grown() as ours:
        for seconds in times:
            metrics.accepted("app", seconds)
    with Grown() as theirs:
        for seconds in times:
            metrics._SECONDS.observe(seconds)
    of_times = {key: value for key, value in ours.items() if "confirm_seconds" in key[0]}
    assert of_times == pytest.approx(theirs)
    assert ours[named("confirm_seconds_count")] == len(times)


async def test_what_becomes_of_requests_is_counted_by_template_and_reason() -> None:
    bench = Bench(Settings())
    targets = {
        f"/token/?selector={SELECTOR}": 200,
        "/token/?username=x": 400,
        f"/token/?selector={SELECTOR}&token_calls=a%00b": 400,
        "/nowhere?token_calls=SENT": 404,
    }
    with Grown() as found:
        for target, status in targets.items():
            for _ in range(status // 100):
                assert (await bench.send({"method": "GET", "target": target, "headers": {}})).status == status
        await bench.send({"method": "BREW", "target": "/token/", "headers": {}})
    assert {key: value for key, value in found.items() if "requests_total" in key[0]} == {
        named("requests_total", template="token", kind="report", outcome="accepted", reason=""): 2,
        named("requests_total", template="token", kind="report", outcome="bad_request", reason="missing"): 4,
        named("requests_total", template="token", kind="report", outcome="bad_request", reason="control_character"): 4,
        named("requests_total", template="", kind="", outcome="not_found", reason="not_found"): 4,
        named("requests_total", template="", kind="", outcome="method_not_allowed", reason="method_not_allowed"): 1,
    }


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        ("", "empty"),
        ("+%20", "empty"),
        ("null", "null"),
        ("NULL", "null"),
        ("(null)", "(null)"),
        ("%28null%29", "(null)"),
        ("%pushTokenOther%", "placeholder"),
        ("%25pushTokenOther%25", "placeholder"),
        ("%account%5Busername%5D%", "placeholder"),
    ],
)
async def test_values_that_say_none_are_counted_by_field_and_form(sent: str, form: str) -> None:
    bench = Bench(Settings())
    with Grown() as found:
        answer = await bench.send(
            {"method": "GET", "target": f"/token/?selector={SELECTOR}&token_msgs={sent}", "headers": {}}
        )
    assert answer.status == 200
    assert {key: value for key, value in found.items() if "absent" in key[0]} == {
        named("absent_values_total", template="token", field="other_token", form=form): 1
    }


async def test_a_selector_that_was_not_filled_in_is_counted_too() -> None:
    """It is a refusal, and what tells of an account with a variable wrong."""
    bench = Bench(Settings())
    with Grown() as found:
        answer = await bench.send({"method": "GET", "target": "/token/?selector=%25selector%25", "headers": {}})
    assert answer.status == 400
    assert found[named("absent_values_total", template="token", field="selector", form="placeholder")] == 1


@pytest.mark.parametrize(("sent", "form"), [("null", "null"), ('""', "empty"), ('"%pushToken%"', "placeholder")])
async def test_absent_values_of_json(sent: str, form: str) -> None:
    bench = Bench(Settings())
    body = f'{{"selector": "{SELECTOR}", "token_calls": {sent}}}'
    with Grown() as found:
        headers = {"content-type": "application/json"}
        answer = await bench.send({"method": "POST", "target": "/token/u/", "headers": headers, "body": body})
    assert answer.status == 200
    ((key, number),) = ((key, value) for key, value in found.items() if "absent" in key[0])
    assert number == 1 and {("field", "calls_token"), ("form", form)} <= set(key[1])


def test_handed_over_while_it_counts_nothing_is_lost() -> None:
    """Counting goes on between two hand-overs; every count is in one of them."""

    with Grown() as found:
        for number in range(1000):
            metrics.accepted("app", 0.01)
            if number % 7 == 0:
                metrics.flush()
    assert sum(value for key, value in found.items() if "requests_total" in key[0]) == 1000
    assert found[named("confirm_seconds_count")] == 1000


async def test_a_limit_is_counted_by_its_name() -> None:
    settings = Settings(ingest=Ingest(selector_rate=1, account_rate=2))
    bench = Bench(settings)
    with Grown() as found:
        for number in (1, 1, 2, 3):
            target = f"/token/?selector={number}&username=u"
            await bench.send({"method": "GET", "target": target, "headers": {}})
    busy = {dict(key[1])["reason"]: value for key, value in found.items() if ("outcome", "busy") in key[1]}
    assert busy == {"selector_rate": 1, "account_rate": 1}


async def test_a_worker_that_ends_hands_over_what_it_has() -> None:
    def handed_over() -> float:
        return REGISTRY.get_sample_value("pushtokens_ingest_confirm_seconds_count") or 0.0

    metrics.flush()
    before = handed_over()
    bench = Bench(Settings())
    async with bench.app._lifespan(bench.app._pages):
        metrics.accepted("app", 0.1)
        assert handed_over() == before
    assert handed_over() == before + 1


def test_series_are_there_before_they_grow() -> None:
    metrics.serve([("quiet-one", "removal")])
    assert samples()[named("requests_total", template="quiet-one", kind="removal", outcome="accepted", reason="")] == 0


# Calls that are given a reason or a cause, by its place among the arguments and its name.
GIVEN = [
    ("RefusedError", 1, "reason"),
    ("RefusedError", 5, "cause"),
    ("MismatchError", 1, "reason"),
    ("BusyError", 2, "reason"),
    ("BusyError", 4, "cause"),
    ("_cut", 1, "reason"),
    ("_refuse", 1, "reason"),
    ("connection_refused", 0, "reason"),
    ("unauthorized", 1, "cause"),
    ("forbidden", 1, "cause"),
    ("_refusal", 1, "cause"),
    ("Threads", 2, "cause"),
    ("Bounded", 3, "cause"),
    ("_too_often", 2, "cause"),
]
# Passed on by those who were given it: their callers stand above. `_refuse(*self._refusal)`: what `_cut` was given.
PASSED_ON = {"reason", "cause", "self._cause", "*self._refusal"}


def words(module: ast.Module, constants: dict[str, str]) -> Iterator[tuple[int, str | None]]:
    """Every reason and cause of a module with its line; None: one that is no word of the code."""
    for node in ast.walk(module):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            for _, place, word in (row for row in GIVEN if row[0] == name):
                found += node.args[place : place + 1]
                found += [given.value for given in node.keywords if given.arg == word]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "cause":
            found.append(node.value)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "self._refusal":
            assert isinstance(node.value, ast.Tuple)
            found.append(node.value.elts[1])
        for value in found:
            choices = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            for choice in choices:
                if isinstance(choice, ast.Constant):
                    yield choice.lineno, str(choice.value)
                elif ast.unparse(choice) not in PASSED_ON:
                    yield choice.lineno, constants.get(ast.unparse(choice))


def test_every_reason_is_a_word_of_this_code() -> None:
    """Labels are bounded because of this: nothing that was sent, and nothing computed, is ever a reason."""
    modules = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "ingest").rglob("*.py"))
        # Its `_refuse` takes an error, not a reason.
        if path.name != "endpoint.py"
    }
    constants = {
        ast.unparse(node.target): node.value.value
        for module in modules.values()
        for node in module.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    found = [(f"{name}:{line}", word) for name, module in modules.items() for line, word in words(module, constants)]
    assert [place for place, word in found if word is None] == []
    assert {word for _, word in found if not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", str(word))} == set()
    assert {"missing", "in_flight", "too_many", "check_away", "not_http"} <= {word for _, word in found}
    assert len({word for _, word in found}) < 60


def test_every_metric_is_in_the_manual() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in REGISTRY.collect()
        if family.name.startswith("pushtokens_ingest_")
    }
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in page} == set()
