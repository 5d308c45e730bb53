"""Topics as they are: partitions, replicas, configs; and changing configs, one by one.

aiokafka's own `alter_configs` sends the old AlterConfigs request, which puts every config that it does not name back to
its default. IncrementalAlterConfigs (KIP-339) changes what it names; it is built on aiokafka's protocol classes here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String
from msgspec import Struct

from schemas.topics import TopicSpec

_TOPIC: Final = 2  # ConfigResource.Type of the protocol
_SET, _DELETE = 0, 1  # AlterConfigOp.OpType of the protocol


class FoundTopic(Struct, frozen=True):
    """A topic as it is: partitions, the replicas of the one that has fewest, and the configs asked for."""

    partitions: int
    replicas: int
    config: dict[str, str]


async def read_found(admin: Any, wanted: Sequence[TopicSpec]) -> dict[str, FoundTopic]:
    """Those of the topics `wanted` that exist, by name, with the configs that their definitions name.

    Args:
        admin: a started `AIOKafkaAdminClient`.
        wanted: the definitions.

    Raises:
        KafkaError: Kafka cannot say now.
    """
    there = set(await admin.list_topics())
    specs = [spec for spec in wanted if spec.name in there]
    if not specs:
        return {}
    described = {entry["topic"]: entry["partitions"] for entry in await admin.describe_topics([s.name for s in specs])}
    configs = await read_configs(admin, {spec.name: tuple(spec.config) for spec in specs})
    return {
        spec.name: FoundTopic(
            len(described[spec.name]),
            min((len(partition["replicas"]) for partition in described[spec.name]), default=0),
            configs[spec.name],
        )
        for spec in specs
    }


async def read_configs(admin: Any, asked: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Configs of topics, name to value.

    Args:
        admin: a started `AIOKafkaAdminClient`.
        asked: topic to the names of its configs.

    Raises:
        KafkaError: Kafka cannot say now, or there is no such topic.
    """
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(of, "")) for name, of in asked.items()]
    found: dict[str, dict[str, str]] = {name: {} for name in asked}
    for response in await admin.describe_configs(resources):
        for code, message, _kind, name, entries, *_ in response.resources:
            if code:
                raise KafkaError(f"the configs of topic {name} cannot be read: {message or for_code(code).__name__}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def change_configs(admin: Any, changes: Mapping[str, Mapping[str, str | None]]) -> None:
    """Set configs of topics, and leave all others as they are.

    Args:
        admin: a started `AIOKafkaAdminClient`.
        changes: topic to config to value; None: back to the broker's default.

    Raises:
        KafkaError: Kafka refuses; the text says which and why.
    """
    if not changes:
        return
    resources = [
        (_TOPIC, topic, [(name, _DELETE if value is None else _SET, value) for name, value in configs.items()])
        for topic, configs in changes.items()
    ]
    response = await admin._send_to_controller(_AlterRequest(resources))
    for code, message, _kind, topic in response.responses:
        if code:
            raise KafkaError(f"the configs of topic {topic} cannot be changed: {message or for_code(code).__name__}")


class _AlterResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterRequestV0(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                ("configs", Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8")))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterRequest(Request[_AlterRequestV0]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44

    def __init__(self, resources: list[tuple[int, str, list[tuple[str, int, str | None]]]]) -> None:
        self._resources = resources

    def build(self, request_struct_class: type[_AlterRequestV0]) -> _AlterRequestV0:
        return request_struct_class(self._resources, False)
