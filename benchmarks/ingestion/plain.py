"""The ingress as one would write it first: a Starlette route, its `Request`, and `await producer.send_and_wait()`.

It parses the same request into the same record, with the same headers and the same guarantee (acks=all, idempotent),
and answers after the confirmation. It has no templates, no limits, no deadlines and no metrics.

python -m benchmarks.ingestion.plain KAFKA TOPIC PORT
"""

import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.ingestion.noop import serve
from ingest.uuid7 import uuid7
from schemas.cloudevents import headers
from schemas.records import SCHEMA_VERSION, Pair, Report, encode


class Handler:
    """Both of the specification's requests."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._producer: AIOKafkaProducer | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """The producer's."""
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True)
        await self._producer.start()
        yield
        await self._producer.stop()

    async def get(self, request: Request) -> Response:
        """Everything in the query."""
        return await self._produce(request, request.query_params["username"], request.query_params)

    async def post(self, request: Request) -> Response:
        """The username in the path, the rest as JSON."""
        return await self._produce(request, request.path_params["username"], await request.json())

    async def _produce(self, request: Request, username: str, given: Mapping[str, str]) -> Response:
        assert self._producer is not None
        now = time.time_ns() // 1_000_000
        report = Report(
            schema_version=SCHEMA_VERSION,
            id=uuid7(now),
            kind="report",
            received_at=now,
            selector=given["selector"],
            username=username,
            calls=_pair(given, "calls"),
            other=_pair(given, "msgs"),
            user_agent=request.headers.get("user-agent"),
        )
        await self._producer.send_and_wait(
            self._topic, encode(report), key=report.selector.encode(), headers=headers("report", report.id, now)
        )
        return Response(status_code=200)


def _pair(given: Mapping[str, Any], slot: str) -> Pair | None:
    token = given.get(f"token_{slot}")
    return Pair(token, given.get(f"appid_{slot}")) if token else None


def main(bootstrap: str, topic: str, port: int) -> None:
    """Serve until SIGTERM."""
    handler = Handler(bootstrap, topic)
    routes = [Route("/token/", handler.get), Route("/token/{username}/", handler.post, methods=["POST"])]
    serve(Starlette(routes=routes, lifespan=handler.lifespan), port)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
