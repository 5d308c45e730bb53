"""What `pushtokens init` finds and would do: every topic and the schema, held against the settings. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from deploy.topic_configs import FoundTopic
from schemas.topics import TopicSpec

# Configs on which correctness stands; how long and how much to keep is the operator's to change.
ESSENTIAL: Final = ("cleanup.policy", "message.timestamp.type")
# Those on which it stands how many disks may be lost.
_SAFETY: Final = ("min.insync.replicas", "unclean.leader.election.enable")

OK, TO_DO, DIFFERENT = 0, 4, 5
"""Exit codes of `init --dry-run`: all is as the settings say; `init` would make or change something; something is
otherwise and stays so (a config: unless `--change-configs`)."""

Verdict = Literal["ok", "create", "change", "differs", "wrong"]


class Step(Struct, frozen=True):
    """One thing. `what`: `topic`, `config`, `replicas`, `schema`, `expiry` or `engine`; `name`: of the topic, the
    config (`topic/config`), the schema file or the table.

    `verdict`: `ok`; `create`, `change` (`init` does it); `differs` (worth knowing, stays); `wrong` (`init` refuses).
    """

    what: str
    name: str
    verdict: Verdict
    detail: str


def plan_topics(wanted: Sequence[TopicSpec], found: Mapping[str, FoundTopic], *, change: bool = False) -> list[Step]:
    """The steps for the topics.

    Args:
        wanted: the definitions.
        found: those that exist, by name.
        change: whether configs that differ are to be changed.
    """
    steps: list[Step] = []
    for spec in wanted:
        there = found.get(spec.name)
        if there is None:
            configs = ", ".join(f"{name}={value}" for name, value in sorted(spec.config.items()))
            detail = f"{spec.partitions} partitions, replication factor {spec.replicas}, {configs}"
            steps.append(Step("topic", spec.name, "create", detail))
        else:
            steps += _differences(spec, there, change) or [
                Step("topic", spec.name, "ok", f"{there.partitions} partitions, replication factor {there.replicas}")
            ]
    return steps


def changes(wanted: Sequence[TopicSpec], found: Mapping[str, FoundTopic]) -> Mapping[str, Mapping[str, str]]:
    """The configs that differ: topic to config to the value that the settings say."""
    made = {spec.name: _other(spec, found[spec.name]) for spec in wanted if spec.name in found}
    return {name: of for name, of in made.items() if of}


def problems(steps: Sequence[Step]) -> list[str]:
    """What keeps the pipeline from its work (texts)."""
    told = {"create": "topic {} does not exist: run `pushtokens init`"}
    return [
        told.get(step.verdict, step.detail).format(step.name) for step in steps if step.verdict in ("create", "wrong")
    ]


def less_safe(steps: Sequence[Step]) -> list[str]:
    """Where fewer copies stand behind a 200, or more, than the settings say (texts)."""
    return [
        f"{step.name}: {step.detail}"
        for step in steps
        if step.verdict == "differs" and (step.what == "replicas" or step.name.partition("/")[2] in _SAFETY)
    ]


def code_of(steps: Sequence[Step]) -> int:
    """The exit code of a plan."""
    verdicts = {step.verdict for step in steps}
    if verdicts & {"differs", "wrong"}:
        return DIFFERENT
    return TO_DO if verdicts & {"create", "change"} else OK


def partitions_text(spec: TopicSpec, partitions: int) -> str:
    """What to do about another partition count."""
    return (
        f"topic {spec.name} has {partitions} partitions, the settings say {spec.partitions}. The count is fixed "
        f"once reports are in: set PUSHTOKENS_PARTITIONS={partitions}, move to topics with more by `pushtokens "
        "repartition`, or delete the topics if nothing in them is of worth."
    )


def essential_text(spec: TopicSpec, name: str, value: str) -> str:
    """What to do about a config on which correctness stands."""
    return (
        f"topic {spec.name} has {name}={value}, but the pipeline stands on {name}={spec.config[name]}: "
        "change it with `pushtokens init --change-configs`."
    )


def _differences(spec: TopicSpec, there: FoundTopic, change: bool) -> list[Step]:
    steps = []
    if there.partitions != spec.partitions:
        steps.append(Step("topic", spec.name, "wrong", partitions_text(spec, there.partitions)))
    if there.replicas != spec.replicas:
        detail = (
            f"replication factor {there.replicas}, the settings say {spec.replicas}: kafka-reassign-partitions.sh "
            "changes it, or set PUSHTOKENS_REPLICATION_FACTOR"
        )
        steps.append(Step("replicas", spec.name, "differs", detail))
    for name in _other(spec, there):
        value = there.config[name]
        if change:
            steps.append(Step("config", f"{spec.name}/{name}", "change", f"{value} to {spec.config[name]}"))
        elif name in ESSENTIAL:
            steps.append(Step("config", f"{spec.name}/{name}", "wrong", essential_text(spec, name, value)))
        else:
            detail = f"{value}, the settings say {spec.config[name]}: `pushtokens init --change-configs` sets it"
            steps.append(Step("config", f"{spec.name}/{name}", "differs", detail))
    return steps


def _other(spec: TopicSpec, there: FoundTopic) -> dict[str, str]:
    """The configs of a topic that are not as defined, with the value defined."""
    return {name: value for name, value in spec.config.items() if there.config.get(name, value) != value}
