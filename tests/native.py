"""Reads ClickHouse's Native format by clickhouse-connect: a reader that knows nothing of the sink's writer."""

from collections.abc import Iterator
from typing import Any

from clickhouse_connect.driver.buffer import ResponseBuffer
from clickhouse_connect.driver.query import QueryContext, QueryResult
from clickhouse_connect.driver.transform import NativeTransform


class _Bytes:
    last_message = None

    def __init__(self, data: bytes) -> None:
        self.gen: Iterator[bytes] = iter([data])

    def close(self) -> None:
        """Nothing to close."""


def read_native(data: bytes) -> list[dict[str, Any]]:
    """The rows of a body in the format Native; times are datetimes in UTC."""
    buffer = ResponseBuffer(_Bytes(data))  # type: ignore[no-untyped-call]
    found = NativeTransform.parse_response(buffer, QueryContext(tz_mode="aware"))
    assert isinstance(found, QueryResult)
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
