"""What `init` says of topics as they are, and what it would do."""

import pytest

from deploy.cli.main import main
from deploy.plan import DIFFERENT, OK, TO_DO, Step, changes, code_of, less_safe, plan_topics, problems
from deploy.topic_configs import FoundTopic
from schemas.topics import TopicSpec

SPEC = TopicSpec(
    name="push-token.reports",
    partitions=8,
    replicas=3,
    config={"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": "1000"},
)


def found(partitions: int = 8, replicas: int = 3, **config: str) -> dict[str, FoundTopic]:
    """The topic as it might be; configs that are not given are as defined."""
    other = {name.replace("_", "."): value for name, value in config.items()}
    return {SPEC.name: FoundTopic(partitions, replicas, SPEC.config | other)}


def verdicts(there: dict[str, FoundTopic], *, change: bool = False) -> list[tuple[str, str, str]]:
    return [(step.what, step.name, step.verdict) for step in plan_topics([SPEC], there, change=change)]


def test_a_topic_as_defined_is_well() -> None:
    (step,) = plan_topics([SPEC], found())
    assert step == Step("topic", SPEC.name, "ok", "8 partitions, replication factor 3")
    assert code_of([step]) == OK
    assert changes([SPEC], found()) == {}


def test_a_topic_that_is_missing_is_to_be_made_as_defined() -> None:
    (step,) = plan_topics([SPEC], {})
    assert (step.verdict, code_of([step])) == ("create", TO_DO)
    assert "8 partitions, replication factor 3, cleanup.policy=delete" in step.detail
    assert changes([SPEC], {}) == {}


@pytest.mark.parametrize("partitions", [4, 16])
def test_another_partition_count_is_wrong_and_the_ways_out_are_named(partitions: int) -> None:
    (step,) = plan_topics([SPEC], found(partitions))
    assert step.verdict == "wrong" and SPEC.name in step.detail
    assert f"PUSHTOKENS_PARTITIONS={partitions}" in step.detail and "pushtokens repartition" in step.detail


def test_another_replication_factor_differs_and_is_never_changed() -> None:
    there = found(replicas=1)
    assert verdicts(there) == verdicts(there, change=True) == [("replicas", SPEC.name, "differs")]
    assert changes([SPEC], there) == {}


@pytest.mark.parametrize("dotted", ["cleanup.policy", "message.timestamp.type"])
def test_a_config_on_which_correctness_stands_is_wrong(dotted: str) -> None:
    there = {SPEC.name: FoundTopic(8, 3, SPEC.config | {dotted: "x"})}
    (step,) = plan_topics([SPEC], there)
    assert step.verdict == "wrong"
    assert f"{dotted}=x" in step.detail and f"{dotted}={SPEC.config[dotted]}" in step.detail


def test_retention_is_the_operators_to_change_and_told() -> None:
    there = found(retention_ms="5")
    (step,) = plan_topics([SPEC], there)
    assert (step.name, step.verdict) == (f"{SPEC.name}/retention.ms", "differs")
    assert step.detail.startswith("5, the settings say 1000") and "--change-configs" in step.detail
    assert code_of([step]) == DIFFERENT


def test_configs_are_changed_when_that_is_asked_for() -> None:
    there = found(retention_ms="5", cleanup_policy="compact")
    asked = plan_topics([SPEC], there, change=True)
    assert {(step.verdict, step.detail) for step in asked} == {("change", "compact to delete"), ("change", "5 to 1000")}
    assert code_of(asked) == TO_DO
    assert changes([SPEC], there) == {SPEC.name: {"cleanup.policy": "delete", "retention.ms": "1000"}}


def test_everything_that_differs_is_said() -> None:
    what = [what for what, _, _ in verdicts(found(4, 1, retention_ms="5"))]
    assert what == ["topic", "replicas", "config"]


def test_what_a_topic_of_one_machine_lacks_in_a_cluster_is_told() -> None:
    spec = TopicSpec(name="reports", partitions=4, replicas=3, config={"min.insync.replicas": "2", "retention.ms": "9"})
    there = {"reports": FoundTopic(4, 1, {"min.insync.replicas": "1", "retention.ms": "10"})}
    steps = plan_topics([spec], there)
    assert problems(steps) == []
    copies, confirmed = less_safe(steps)
    assert copies.startswith("reports: replication factor 1, the settings say 3")
    assert confirmed.startswith(
        "reports/min.insync.replicas: 1, the settings say 2: `pushtokens init --change-configs`"
    )
    assert less_safe(plan_topics([spec], {"reports": FoundTopic(4, 3, spec.config | {"retention.ms": "10"})})) == []


@pytest.mark.parametrize("away", ["topics", "schema"])
def test_a_plan_shows_the_half_that_could_be_made(
    away: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> list[Step]:
        raise OSError("nobody there")

    async def topics_made(*_: object, **__: object) -> list[Step]:
        return refused() if away == "topics" else [Step("topic", "reports", "create", "as defined")]

    async def why(*_: object) -> str:
        return "Kafka does not answer"

    step = Step("schema", "push_tokens", "ok", "up to date")
    monkeypatch.setattr("deploy.init.look_at_topics", topics_made)
    monkeypatch.setattr("deploy.init.look_at_schema", refused if away == "schema" else lambda _: [step])
    monkeypatch.setattr("deploy.init.why_not", why)
    assert main(["init", "--dry-run"]) == 1
    shown = capsys.readouterr()
    assert shown.out.split(":")[0] == ("create   topic reports" if away == "schema" else "ok       schema push_tokens")
    assert "does not answer" in shown.err
