"""The ingress as one would write it first: a Starlette route, its `Request`, and `await producer.send()`.

It parses the same request into the same record, with the same headers and the same guarantee (acks=all, idempotent),
and answers after the confirmation. It has no templates, no limits, no deadlines and no drain.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.record import report_message
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics


def serve(settings: Settings, *, kafka: bool = True) -> None:
    """Serve until SIGTERM; without `kafka` it answers at once (what HTTP and parsing alone allow)."""
    topic = topics(settings).reports.name
    state: dict[str, Any] = {}

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if kafka:
            state["producer"] = AIOKafkaProducer(**client_options(settings, "plain"), enable_idempotence=True)
            await state["producer"].start()
        yield
        if kafka:
            await state["producer"].stop()

    async def token(request: Request) -> Response:
        given = request.query_params
        message = report_message(
            "report",
            {
                "selector": given["selector"],
                "username": given["username"],
                "calls_token": given["token_calls"],
                "calls_app_id": given["appid_calls"],
                "other_token": given["token_msgs"],
                "other_app_id": given["appid_msgs"],
            },
            time.time_ns() // 1_000_000,
            request.headers.get("user-agent", "").encode(),
        )
        if kafka:
            await state["producer"].send_and_wait(topic, message.value, key=message.key, headers=message.headers)
        return Response(status_code=200)

    app = Starlette(routes=[Route("/token/", token)], lifespan=lifespan)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.ingest.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
