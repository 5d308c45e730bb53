"""ClickHouse over HTTP: the one place that knows clickhouse-connect. Errors say "refused for ever" or "away now".

`ClickHouse` blocks and may be shared by threads (command line, migrations, dashboard); `AsyncClickHouse` is the sink's,
whose requests can be cancelled. Neither error's text holds anything of a row: a parse error quotes the data (and so a
push token), which is why the server's own words stand in `RefusedError.detail` and go to no log.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error
from msgspec import Struct

from processors.clickhouse_errors import AWAY_CODES, AwayError, RefusedError, look_at_tls
from processors.clickhouse_options import connect_options
from schemas.settings import Settings

__all__ = ["AsyncClickHouse", "AwayError", "ClickHouse", "RefusedError", "Rows"]

Values = Mapping[str, Any]

_AWAY_STATUSES: Final = ("HTTP status 429", "HTTP status 502", "HTTP status 503", "HTTP status 504")


class Rows(Struct, frozen=True):
    """The answer to a query: column names and rows of Python values (times are aware datetimes)."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def dicts(self) -> list[dict[str, Any]]:
        """Each row as name to value."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]

    def scalar(self) -> Any:
        """The first value of the first row."""
        return self.rows[0][0]


class ClickHouse:
    """Blocking access, connected at the first use. Every request ends after `clickhouse.query_timeout` seconds."""

    def __init__(self, settings: Settings, *, database: str | None = None, timeout: float | None = None) -> None:
        self._options = connect_options(settings, database, timeout)
        self._timeout = timeout or settings.clickhouse.query_timeout
        self._client: Client | None = None

    def __enter__(self) -> "ClickHouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> Rows:
        """Run a SELECT. `parameters` fill `{name:Type}` placeholders on the server.

        Raises:
            RefusedError: the statement is wrong, or the user may not run it.
            AwayError: no answer in time, or the server is busy.
        """
        with _errors("answer a query"):
            result = self._connect().query(sql, parameters=dict(parameters or {}), settings=self._limits(settings))
        return Rows(tuple(result.column_names), result.result_rows)

    def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        """Run a statement without an answer (DDL, DELETE). Raises as `query` does."""
        with _errors("run a statement"):
            self._connect().command(sql, parameters=dict(parameters or {}), settings=self._limits(settings))

    def insert_raw(self, table: str, data: bytes, form: str = "JSONEachRow", settings: Values | None = None) -> None:
        """Insert `data` (bytes in the ClickHouse format `form`); for a few rows, as AsyncClickHouse is for many."""
        with _errors("insert"):
            self._connect().raw_insert(table, insert_block=data, fmt=form, settings=self._limits(settings))

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> Client:
        if self._client is None:
            self._client = clickhouse_connect.get_client(**self._options, dedicated_pool=True)
        return self._client

    def _limits(self, settings: Values | None) -> dict[str, Any]:
        return {"max_execution_time": self._timeout} | dict(settings or {})


class AsyncClickHouse:
    """Access from an event loop, connected at the first use; cancelling a call closes its connection."""

    def __init__(self, settings: Settings, *, timeout: float | None = None) -> None:
        self._options = connect_options(settings, None, timeout)
        self._timeout = timeout or settings.clickhouse.query_timeout
        self._client: AsyncClient | None = None

    async def query(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> Rows:
        """As `ClickHouse.query`."""
        with _errors("answer a query"):
            async with asyncio.timeout(self._timeout):
                client = await self._connect()
                limits = {"max_execution_time": self._timeout} | dict(settings or {})
                result = await client.query(sql, parameters=dict(parameters or {}), settings=limits)
        return Rows(tuple(result.column_names), result.result_rows)

    async def command(self, sql: str, parameters: Values | None = None, settings: Values | None = None) -> None:
        """As `ClickHouse.command`."""
        with _errors("run a statement"):
            async with asyncio.timeout(self._timeout):
                client = await self._connect()
                await client.command(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))

    async def insert_raw(self, table: str, chunks: Sequence[bytes], form: str, settings: Values) -> None:
        """Insert the concatenation of `chunks` (bytes in the ClickHouse format `form`) by one request, sent once.

        The library repeats a request whose connection broke when its body is bytes; the sink must know of every such
        doubt, so the body goes as a stream, which it cannot repeat. Raises as `query` does.
        """
        with _errors("insert"):
            async with asyncio.timeout(self._timeout):
                client = await self._connect()
                await client.raw_insert(table, insert_block=_stream(chunks), fmt=form, settings=dict(settings))

    async def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connect(self) -> AsyncClient:
        if self._client is None:
            self._client = await clickhouse_connect.get_async_client(**self._options)
        return self._client


async def _stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Sort every failure of the library into ours; the texts name what was being done, not the data."""
    try:
        yield
    except ClickHouseError as error:
        look_at_tls(error)
        code = error.code if isinstance(error, Error) else None
        text = str(error)
        if code in AWAY_CODES or (code is None and (any(s in text for s in _AWAY_STATUSES) or "Error" in text)):
            said = "" if code is None else f" (code {code})"
            raise AwayError(f"ClickHouse cannot {doing} now{said}") from None
        raise RefusedError(doing, code, error.name if isinstance(error, Error) else None, text) from None
    except (OSError, TimeoutError) as error:
        look_at_tls(error)
        raise AwayError(f"ClickHouse is away ({type(error).__name__})") from None
