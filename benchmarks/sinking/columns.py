"""What one writes first: consume, decode into columns, `client.insert`, commit. Nothing is promised.

`python -m benchmarks.sinking.columns JSON`, until it is killed. `rows` of the JSON: insert what a fetch brought (0), or
gather so many rows first.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any, Final

import clickhouse_connect
from aiokafka import AIOKafkaConsumer

from schemas.records import decode_report

NAMES: Final = (
    *("received_at", "appended_at", "kind", "selector", "username", "calls_token", "calls_app_id", "other_token"),
    *("other_app_id", "install_id", "user_agent", "origin", "id", "log_id", "kafka_partition", "kafka_offset"),
    "kafka_partitions",
)


async def consume(given: dict[str, Any]) -> None:
    """Work for ever."""
    consumer = AIOKafkaConsumer(
        given["topic"],
        bootstrap_servers=given["bootstrap"],
        group_id=given["group"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    client = await clickhouse_connect.get_async_client(dsn=given["url"], database=given["database"])
    await consumer.start()
    columns: list[list[Any]] = [[] for _ in NAMES]
    while True:
        fetched = await consumer.getmany(timeout_ms=200)
        for records in fetched.values():
            for column, values in zip(columns, _columns(records, given["log_id"], given["partitions"]), strict=True):
                column += values
        if columns[0] and (len(columns[0]) >= given["rows"] or not fetched):
            await client.insert("reports", columns, NAMES, column_oriented=True)
            await consumer.commit()
            columns = [[] for _ in NAMES]


def _columns(records: list[Any], log_id: str, partitions: int) -> list[list[Any]]:
    reports = [decode_report(record.value) for record in records]
    calls, other = [one.calls for one in reports], [one.other for one in reports]
    return [
        [datetime.fromtimestamp(one.received_at / 1000, UTC) for one in reports],
        [datetime.fromtimestamp(record.timestamp / 1000, UTC) for record in records],
        [one.kind for one in reports],
        [one.selector for one in reports],
        [one.username or "" for one in reports],
        [pair.token if pair else "" for pair in calls],
        [(pair.app_id or "") if pair else "" for pair in calls],
        [pair.token if pair else "" for pair in other],
        [(pair.app_id or "") if pair else "" for pair in other],
        [one.install_id or "" for one in reports],
        [one.user_agent or "" for one in reports],
        [one.origin for one in reports],
        [one.id for one in reports],
        [log_id] * len(records),
        [record.partition for record in records],
        [record.offset for record in records],
        [partitions] * len(records),
    ]


if __name__ == "__main__":
    asyncio.run(consume(json.loads(sys.argv[1])))
