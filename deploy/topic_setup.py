"""Creates the topics and checks those that exist; safe to repeat, and for several at once."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import TopicSpec, topics

_WAIT_SECONDS: Final = 30.0  # for the leaders of new partitions; 0.2 s on the embedded broker
_POLL: Final = 0.1
# Configs on which correctness stands; how long and how much to keep is the operator's to change.
_ESSENTIAL: Final = ("cleanup.policy", "message.timestamp.type")


class TopicError(RuntimeError):
    """A topic that cannot be used as it is, or cannot be created; the text names it and says what to do."""


async def set_up_topics(settings: Settings) -> list[str]:
    """Create what is missing, check what is there, wait until every partition has a leader.

    Returns:
        The names of the topics created now.

    Raises:
        TopicError: a topic with another partition count or an essential config changed, or one Kafka will not create.
        KafkaError: Kafka does not answer.
    """
    wanted = topics(settings).all()
    async with _admin(settings) as admin:
        created = await _create(admin, wanted)
        found = await _wait_for_leaders(admin, wanted)
        configs = await _configs(admin, [spec.name for spec in wanted])
    problems = [
        text for spec in wanted for text in differences(spec, len(found[spec.name]["partitions"]), configs[spec.name])
    ]
    if problems:
        raise TopicError("\n".join(problems))
    return created


async def check_topics(settings: Settings) -> list[str]:
    """What is wrong with the topics now (texts, empty: nothing). Changes nothing; raises KafkaError as above."""
    wanted = topics(settings).all()
    async with _admin(settings) as admin:
        there = set(await admin.list_topics())
        names = [spec.name for spec in wanted if spec.name in there]
        found = {entry["topic"]: entry for entry in await admin.describe_topics(names)} if names else {}
        configs = await _configs(admin, names) if names else {}
    problems = [f"topic {spec.name} does not exist: run `pushtokens init`" for spec in wanted if spec.name not in there]
    for spec in wanted:
        if spec.name in there:
            problems += differences(spec, len(found[spec.name]["partitions"]), configs[spec.name])
    return problems


def differences(spec: TopicSpec, partitions: int, config: Mapping[str, str]) -> list[str]:
    """How a topic that exists differs from its definition in what matters (texts).

    Args:
        spec: the definition.
        partitions: how many it has.
        config: its configs, name to value.
    """
    problems = []
    if partitions != spec.partitions:
        problems.append(
            f"topic {spec.name} has {partitions} partitions, the settings say {spec.partitions}. The count is fixed "
            f"once reports are in: set PUSHTOKENS_PARTITIONS={partitions}, or delete the topics if nothing in them is "
            "of worth."
        )
    for name in _ESSENTIAL:
        if name in spec.config and config.get(name, spec.config[name]) != spec.config[name]:
            problems.append(
                f"topic {spec.name} has {name}={config[name]}, but the pipeline stands on {name}={spec.config[name]}: "
                "change it with kafka-configs.sh --alter."
            )
    return problems


class _admin:  # noqa: N801  (used as a function)
    """An admin client for the length of a `with`."""

    def __init__(self, settings: Settings) -> None:
        self._client = AIOKafkaAdminClient(**client_options(settings, "init"), request_timeout_ms=30_000)

    async def __aenter__(self) -> Any:
        try:
            await self._client.start()
        except BaseException:
            await self._client.close()
            raise
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


async def _create(admin: Any, wanted: Sequence[TopicSpec]) -> list[str]:
    there = set(await admin.list_topics())
    new = [
        NewTopic(spec.name, spec.partitions, spec.replicas, topic_configs=spec.config)
        for spec in wanted
        if spec.name not in there
    ]
    if not new:
        return []
    created = []
    for name, code, message in (await admin.create_topics(new)).topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:  # another `init` may run beside this one
            raise TopicError(f"Kafka does not create topic {name}: {message or error.__name__}")
    return created


async def _wait_for_leaders(admin: Any, wanted: Sequence[TopicSpec]) -> dict[str, Any]:
    names = [spec.name for spec in wanted]
    found: dict[str, Any] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                found = {entry["topic"]: entry for entry in await admin.describe_topics(names)}
                if all(_is_led(found.get(name)) for name in names):
                    return found
                await asyncio.sleep(_POLL)
    missing = ", ".join(name for name in names if not _is_led(found.get(name)))
    raise TopicError(f"no leader within {_WAIT_SECONDS:.0f} s for partitions of {missing}: are all brokers up?")


def _is_led(entry: Mapping[str, Any] | None) -> bool:
    partitions = entry["partitions"] if entry and entry["error_code"] == 0 else []
    return bool(partitions) and all(partition["leader"] >= 0 for partition in partitions)


async def _configs(admin: Any, names: Sequence[str]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_ESSENTIAL, "")) for name in names]
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for response in await admin.describe_configs(asked):
        for code, message, _kind, name, entries, *_ in response.resources:
            if code:
                raise KafkaError(f"the configs of topic {name} cannot be read: {message or for_code(code).__name__}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
