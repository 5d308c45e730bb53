"""Which log a topic is: an id that changes when the topic is made anew (design.md section 5, "Log identity").

The id is Kafka's own topic id (KIP-516), read by a Metadata request of version 10, which aiokafka 0.14 does not speak;
the request is built on its protocol classes. Text form: base64url without padding, as `kafka-topics` shows it.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_NO_ID: Final = bytes(16)


class LogIdentityError(Exception):
    """The log is not the one that a role's state or committed offsets belong to; the text says what to do.

    Going on would make new records look like replays, so the role stops. The way on is `pushtokens adopt-log`.
    """


class TopicMissingError(Exception):
    """A topic does not exist; `pushtokens init` makes it."""


async def read_log_id(options: dict[str, Any], topic: str) -> str:
    """The identity (str, 22 characters) of `topic`.

    Args:
        options: how to reach Kafka (`schemas.kafka_client.client_options`).
        topic: its name.

    Raises:
        TopicMissingError: there is no such topic.
        aiokafka.errors.KafkaError: Kafka cannot be asked now.
    """
    return (await read_log_ids(options, [topic]))[topic]


async def read_log_ids(options: dict[str, Any], topics: Sequence[str]) -> dict[str, str]:
    """As `read_log_id`, for several topics at once: topic to identity."""
    return {name: found.log_id for name, found in (await read_topics(options, topics)).items()}


class Topic(NamedTuple):
    """What Kafka says of a topic: its identity and its number of partitions."""

    log_id: str
    partitions: int


async def read_topics(options: dict[str, Any], topics: Sequence[str]) -> dict[str, Topic]:
    """As `read_log_id`, for several topics and with their number of partitions."""
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), _MetadataRequest(topics))
        return {
            name: Topic(_text(name, code, topic_id), len(partitions))
            for code, name, topic_id, _, partitions, *_ in response.topics
        }
    finally:
        await client.close()


def verify_log(expected: str, actual: str, what: str) -> None:
    """Compare the identity that `what` (a text for the error) was made from with the topic's.

    Raises:
        LogIdentityError: they differ.
    """
    if expected and expected != actual:
        raise LogIdentityError(
            f"{what} belongs to log {expected}, but the topic is now log {actual}: it was deleted and made again. "
            "Nothing was changed. If that is meant, run `pushtokens adopt-log` and start again."
        )


def _text(name: str, code: int, topic_id: bytes) -> str:
    error = for_code(code)
    if error.errno == 3:  # UNKNOWN_TOPIC_OR_PARTITION
        raise TopicMissingError(f"topic {name} does not exist: run `pushtokens init`")
    if error.errno != 0:
        raise error(name)
    if topic_id == _NO_ID:
        raise KafkaError(f"the broker gives topic {name} no id; Kafka 2.8 or newer is needed")
    return urlsafe_b64encode(topic_id).decode().rstrip("=")


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka has no types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestV10(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV10]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV10]) -> _MetadataRequestV10:
        return request_struct_class([(_NO_ID, topic, {}) for topic in self._topics], False, False, False, {})
