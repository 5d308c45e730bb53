"""The embedded ClickHouse engine: statements side by side, each on a connection of its own, bounded in number and time.

A connection to a running engine costs 0.1 ms (measured, chdb 4.4), so each request gets a fresh one: no setting,
database or temporary table can leak into the next. `chdb` has one engine a process; the `root` connection keeps it.
"""

import asyncio
import importlib
import os
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from msgspec import Struct

from deploy.local.clickhouse_errors import (
    READONLY,
    SYNTAX_ERROR,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    EngineError,
    engine_error,
)
from deploy.local.clickhouse_insert import Insert
from deploy.local.clickhouse_statement import Statement, set_clause

_WAIT_SECONDS: Final = 60.0  # for a free connection; then the client hears "too many simultaneous queries"
# Limits of a request that names none. A result is held whole in memory; 600 s is a bulk INSERT SELECT on two cores.
_DEFAULTS: Final = {"max_execution_time": "600", "max_result_bytes": str(512 * 1024 * 1024)}


class Answer(Struct, frozen=True):
    """What a statement returned: body (bytes in the format asked for) and the engine's counts."""

    body: bytes
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int


class Engine:
    """The engine on one directory.

    Args:
        path: its data; created when absent.
        connections: statements at once. One is never given to a SELECT, so readers cannot hold up an insert.
        memory_bytes: limit of one statement.

    Raises:
        EngineError: the directory cannot be used (another engine has it, or it cannot be written).
    """

    def __init__(self, path: str, connections: int, memory_bytes: int) -> None:
        self._library: Any = importlib.import_module("chdb._chdb")  # its stubs lack half of it
        self._path = path
        self._defaults = _DEFAULTS | {"max_memory_usage": str(memory_bytes)}
        self._library.set_signal_handlers_enabled(0)  # SIGTERM is ours
        self._root = self._connect(f"?config-file={_allow_backups(Path(path))}")
        self._threads = ThreadPoolExecutor(connections + 1, "chdb")  # one more, to kill with
        self._all = asyncio.Semaphore(connections)
        self._reads = asyncio.Semaphore(connections - 1)

    async def run(self, statement: Statement) -> Answer:
        """Run a statement. Cancelling this kills a SELECT; anything else goes on (as on the real server).

        Raises:
            EngineError: the engine refused it, it ran out of time, or all connections were busy for 60 s.
        """
        reads = self._check(statement)
        tag = uuid.uuid4().hex
        loop = asyncio.get_running_loop()
        async with self._slot(reads):
            work = loop.run_in_executor(self._threads, self._execute, statement, tag)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                if reads:
                    await loop.run_in_executor(self._threads, self._kill, tag)
                await asyncio.wait([work])  # the connection is busy until then
                raise

    def close(self) -> None:
        """Wait for what runs and close the engine."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._root.close()

    @asynccontextmanager
    async def _slot(self, reads: bool) -> AsyncIterator[None]:
        wanted = [self._reads, self._all] if reads else [self._all]
        taken: list[asyncio.Semaphore] = []
        try:
            try:
                async with asyncio.timeout(_WAIT_SECONDS):
                    for semaphore in wanted:
                        await semaphore.acquire()
                        taken.append(semaphore)
            except TimeoutError:
                name = "TOO_MANY_SIMULTANEOUS_QUERIES"
                raise engine_error(TOO_MANY_SIMULTANEOUS_QUERIES, name, "Too many simultaneous queries") from None
            yield
        finally:
            for semaphore in taken:
                semaphore.release()

    def _check(self, statement: Statement) -> bool:
        """Whether it only reads; refuses what the real server's HTTP interface refuses."""
        reads = False
        if statement.insert is None:
            found = self._root.classify_query(statement.sql)
            if found["statement_count"] > 1:
                raise engine_error(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
            if found["statement_count"] == 0:
                return True  # not parsed: let the engine say why
            reads = found["query_class"] == self._library.query_class.READ_ONLY
        if statement.get and not reads:
            text = "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly"
            raise engine_error(READONLY, "READONLY", text)
        return reads

    def _execute(self, statement: Statement, tag: str) -> Answer:
        connection = self._connect()
        try:
            connection.query(set_clause(self._defaults | statement.settings | {"log_comment": tag}), "Null")
            if statement.database:
                connection.query(f"USE {_identifier(statement.database)}", "Null")
            if statement.insert is not None:
                result = self._insert(connection, statement.insert, statement.parameters)
            else:
                result = connection.query(statement.sql, statement.default_format, params=statement.parameters)
            return Answer(
                result.bytes(),
                result.rows_read(),
                result.bytes_read(),
                result.rows_written(),
                result.bytes_written(),
            )
        except RuntimeError as error:
            raise EngineError(str(error)) from None
        finally:
            connection.close()

    def _insert(self, connection: Any, insert: Insert, parameters: dict[str, str]) -> Any:
        """The data goes through a file in memory. chdb's own way (`send_insert`) says "done" of an insert that failed
        after its data was parsed (a violated constraint, too many partitions): chdb 4.4, found by a test.
        """
        if parameters:  # an insert with data takes them from the connection only
            connection.query(set_clause({f"param_{name}": text for name, text in parameters.items()}), "Null")
        file = os.memfd_create("insert", os.MFD_CLOEXEC)
        try:
            view = memoryview(insert.data)
            while view:
                view = view[os.write(file, view) :]
            return connection.query(insert.reading(f"/proc/self/fd/{file}"), "Null")
        finally:
            os.close(file)

    def _kill(self, tag: str) -> None:
        """Kill the statement with this tag, if it runs (the engine gives it a query id of its own choice)."""
        found = "SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {tag:String}"
        connection = self._connect()
        try:
            connection.query(f"KILL QUERY WHERE query_id IN ({found}) ASYNC", "Null", params={"tag": tag})
        except RuntimeError:
            return  # it ended meanwhile
        finally:
            connection.close()

    def _connect(self, options: str = "") -> Any:
        try:
            return self._library.connect(self._path + options)
        except RuntimeError as error:
            raise EngineError(str(error)) from None


def _allow_backups(path: Path) -> Path:
    """The file that allows `BACKUP … TO File('backups/…')` below the data directory (ClickHouse manual, "Backup")."""
    file, backups = path / "backups.xml", path.absolute() / "backups"
    text = f"<clickhouse><backups><allowed_path>{escape(str(backups))}</allowed_path></backups></clickhouse>\n"
    try:
        path.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}") from None
    return file


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
