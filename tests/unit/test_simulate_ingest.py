"""Two readings of the protocol meet: what the fleet means, and what the ingress understands of it."""

import asyncio
from typing import Any

from deploy.simulate.fleet import Plan, requests
from deploy.simulate.ledger import fingerprint
from deploy.simulate.request import Request
from deploy.simulate.shapes import PASSWORD
from ingest.endpoint import Endpoint
from ingest.journal import Journal
from ingest.memory_sink import MemorySink
from ingest.record import Message
from ingest.template_set import template_set
from schemas.records import decode_report
from schemas.settings import Settings

# These two are refused by the HTTP layer below the endpoint: its own tests and the end-to-end test have them.
BELOW = ("short_length", "too_large")


async def answer(endpoint: Endpoint, request: Request) -> int:
    raw_path, _, query = request.wire.target.partition("?")
    headers = [(b"user-agent", request.user_agent.encode())]
    if request.wire.content_type:
        headers.append((b"content-type", request.wire.content_type.encode()))
    scope = {
        "type": "http",
        "method": request.wire.method,
        "raw_path": raw_path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.wire.body, "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    await endpoint(scope, receive, send)
    status: int = sent[0]["status"]
    return status


def test_the_ingress_understands_every_shape_as_it_is_meant() -> None:
    sink, rejects = MemorySink(partitions=1), list[Message]()
    own = Settings().ingest
    endpoint = Endpoint(template_set(Settings()), sink, own, rejects.append, Journal(own))

    async def play() -> None:
        for request in requests(Plan(accounts=300, reports=6000, seed=8, marked=True)):
            if request.shape in BELOW:
                continue
            before = len(sink.messages)
            status = await answer(endpoint, request)
            assert status == request.expect, f"{request.shape}: {request.wire.method} {request.wire.target}"
            assert len(sink.messages) == before + (request.told is not None)
            if request.told is not None:
                message = sink.messages[-1]
                record = decode_report(message.value)
                assert fingerprint(record) == fingerprint(request.told), request.shape
                assert message.key == request.told.selector.encode()

    asyncio.run(play())
    assert len(sink.messages) > 5000 and rejects
    assert not any(PASSWORD.encode() in message.value for message in [*sink.messages, *rejects])
