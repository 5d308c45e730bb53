"""A small server that speaks ClickHouse's HTTP interface over the embedded engine, for clickhouse-connect and curl.

`python -m deploy.local.clickhouse_server PATH PORT CONNECTIONS MEMORY_MB`. It listens on 127.0.0.1 only and, having no
users, refuses what a web page could send: a foreign `Host`, or any `Origin`.
"""

import asyncio
import json
import signal
import sys
from typing import Final

from aiohttp import web

from deploy.local.clickhouse_engine import Answer, Engine
from deploy.local.clickhouse_errors import AUTHENTICATION_FAILED, NOT_IMPLEMENTED, EngineError, engine_error
from deploy.local.clickhouse_statement import Statement, decompress, statement

HOST: Final = "127.0.0.1"
_MAX_BODY: Final = 512 * 1024 * 1024  # the sink sends 64 MB
_DRAIN_SECONDS: Final = 15.0
_IDLE_SECONDS: Final = 600.0  # of an open connection: a client must not find its next insert on one just closed
_OURS: Final = ("127.0.0.1", "localhost", "[::1]")


class Server:
    """The HTTP side of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def application(self) -> web.Application:
        """The routes: `/ping`, `/replicas_status`, and `/` for statements by GET and POST."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/replicas_status", self._ping)
        app.router.add_route("GET", "/", self._statement)
        app.router.add_post("/", self._statement)
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _statement(self, request: web.Request) -> web.Response:
        try:
            _refuse_web_pages(request)
            asked = await _read(request)
            return _respond(asked, await self._engine.run(asked))
        except EngineError as error:
            headers = {"X-ClickHouse-Exception-Code": str(error.code)}
            return web.Response(status=error.status, text=error.text + "\n", headers=headers)


def _refuse_web_pages(request: web.Request) -> None:
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    if host not in _OURS or "Origin" in request.headers:
        text = "default: Authentication failed: this engine answers programs on this machine, not web pages."
        raise engine_error(AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", text)


async def _read(request: web.Request) -> Statement:
    items = list(request.query.items())
    body = b""
    if request.content_type == "multipart/form-data":
        for name, value in (await request.post()).items():
            if not isinstance(value, str):
                raise engine_error(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "External data is not supported here")
            items.append((name, value))
    else:
        body = decompress(await request.read(), request.headers.get("Content-Encoding", ""))
    return statement(items, body, get=request.method == "GET")


def _respond(asked: Statement, answer: Answer) -> web.Response:
    counts = {
        "read_rows": answer.read_rows,
        "read_bytes": answer.read_bytes,
        "written_rows": answer.written_rows,
        "written_bytes": answer.written_bytes,
        "result_bytes": len(answer.body),
    }
    headers = {
        "Content-Type": "application/octet-stream" if asked.format == "Native" else "text/plain; charset=UTF-8",
        "X-ClickHouse-Format": asked.format,
        "X-ClickHouse-Query-Id": asked.query_id,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Summary": json.dumps({name: str(count) for name, count in counts.items()}),
    }
    return web.Response(body=answer.body, headers=headers)


async def serve(path: str, port: int, connections: int, memory_bytes: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs (at most 15 s).

    Raises:
        EngineError: the directory cannot be used.
        OSError: the port cannot be bound.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = Engine(path, connections, memory_bytes)
    # Bodies are decompressed here (aiohttp knows no lz4), and a client that goes away stops its SELECT.
    runner = web.AppRunner(
        Server(engine).application(),
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        shutdown_timeout=_DRAIN_SECONDS,
        keepalive_timeout=_IDLE_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        await stop.wait()
    finally:
        await runner.cleanup()
        engine.close()


def main(arguments: list[str]) -> int:
    """Exit code 0: stopped when asked to; 1: could not start (why is on standard error)."""
    path, port, connections, memory_mb = arguments
    try:
        asyncio.run(serve(path, int(port), int(connections), int(memory_mb) * 1024 * 1024))
    except (EngineError, OSError) as error:
        sys.stderr.write(f"{error.text if isinstance(error, EngineError) else error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
