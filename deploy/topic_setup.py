"""Creates the topics and checks those that exist; safe to repeat, and for several at once."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from deploy.plan import Step, changes, plan_topics
from deploy.topic_configs import change_configs, read_found
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import TopicSpec, topics

_WAIT_SECONDS: Final = 30.0  # for the leaders of new partitions; 0.2 s on the embedded broker
_POLL: Final = 0.1


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
    async with admin_of(settings) as admin:
        created = await _create(admin, wanted)
        await _wait_for_leaders(admin, wanted)
        found = await read_found(admin, wanted)
    refused = [step.detail for step in plan_topics(wanted, found) if step.verdict == "wrong"]
    if refused:
        raise TopicError("\n".join(refused))
    return created


async def look_at_topics(settings: Settings, *, change: bool = False) -> list[Step]:
    """How the topics are, held against the settings. Changes nothing; raises KafkaError as above."""
    wanted = topics(settings).all()
    async with admin_of(settings) as admin:
        return plan_topics(wanted, await read_found(admin, wanted), change=change)


async def change_topics(settings: Settings) -> None:
    """Set every config that differs to what the settings say; raises KafkaError as above."""
    wanted = topics(settings).all()
    async with admin_of(settings) as admin:
        await change_configs(admin, changes(wanted, await read_found(admin, wanted)))


class admin_of:  # noqa: N801  (used as a function)
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
