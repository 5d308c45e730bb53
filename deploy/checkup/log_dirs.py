"""How much room the brokers have: DescribeLogDirs v4 (KIP-827, Kafka 3.3), which aiokafka does not have."""

from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from deploy.checkup.finding import Disk

_UNKNOWN: Final = -1  # what a broker says that does not know


async def log_dirs(client: Any) -> list[Disk]:
    """Every log directory of every broker that says how much room it has.

    Args:
        client: aiokafka's, connected.

    Raises:
        aiokafka.errors.KafkaError: a broker does not answer.
    """
    found = []
    for broker in sorted(client.cluster.brokers(), key=lambda one: one.nodeId):
        response = await client.send(broker.nodeId, _DescribeLogDirs())
        for code, path, _, total, usable, *_ in response.results:
            if code == 0 and total != _UNKNOWN:
                found.append(Disk(name=f"of broker {broker.nodeId}, {path}", free=usable, total=total))
    return found


class _ResponseV4(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 35
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "results",
            CompactArray(
                ("error_code", Int16),
                ("log_dir", CompactString("utf-8")),
                (
                    "topics",
                    CompactArray(
                        ("name", CompactString("utf-8")),
                        (
                            "partitions",
                            CompactArray(
                                ("partition", Int32),
                                ("size", Int64),
                                ("offset_lag", Int64),
                                ("is_future", Boolean),
                                ("tags", TaggedFields),
                            ),
                        ),
                        ("tags", TaggedFields),
                    ),
                ),
                ("total_bytes", Int64),
                ("usable_bytes", Int64),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _RequestV4(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 35
    API_VERSION = 4
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _ResponseV4
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeLogDirs(Request[_RequestV4]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 35

    def build(self, request_struct_class: type[_RequestV4]) -> _RequestV4:
        return request_struct_class(None, {})
