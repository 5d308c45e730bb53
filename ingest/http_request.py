"""What the endpoint takes from an ASGI request, and how it sends a refusal."""

from typing import Final
from uuid import UUID

from msgspec import Struct
from starlette.types import Receive, Scope, Send

from ingest.refusal import PROBLEM_HEADERS, problem
from ingest.trace import trace_headers
from schemas.cloudevents import Headers

# One look at a set for each header, and further looks only for these.
_FRAME: Final = frozenset({b"content-length", b"transfer-encoding"})
_WANTED: Final = _FRAME | {b"authorization", b"content-type", b"content-encoding", b"user-agent", b"traceparent"}


class ClientGoneError(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Head(Struct, gc=False):
    """The headers that matter: text as latin-1, `encoding` and `user_agent` as they came, empty for none; `framed`: a
    body is announced."""

    authorization: str = ""
    content_type: str = ""
    encoding: bytes = b""
    user_agent: bytes = b""
    trace: Headers | None = None
    framed: bool = False


def head_of(found: list[tuple[bytes, bytes]]) -> Head:
    """The headers that matter of all (names in lower case)."""
    head = Head()
    for name, value in found:
        if name in _WANTED:
            if name == b"user-agent":
                head.user_agent = value
            elif name == b"content-type":
                head.content_type = value.decode("latin-1")
            elif name == b"authorization":
                head.authorization = value.decode("latin-1")
            elif name == b"traceparent":
                head.trace = trace_headers(found)
            elif name in _FRAME:
                head.framed = True
            elif value.strip().lower() != b"identity":
                head.encoding = value
    return head


def target_of(scope: Scope) -> str:
    """Path and query as they came (str, percent-encoded)."""
    raw: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (raw + b"?" + query if query else raw).decode("latin-1")


async def body_of(receive: Receive) -> bytes:
    """The whole body; the server layer bounds its size and time.

    Raises:
        ClientGoneError: it did not come.
    """
    event = await receive()
    chunks = []
    while True:
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunks.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(chunks)
        event = await receive()


def id_header(request_id: str) -> tuple[bytes, bytes]:
    """The header of an answer that tells the request's id."""
    return (b"x-request-id", request_id.encode())


async def send_problem(
    send: Send,
    status: int,
    reason: str,
    detail: str,
    request_id: str,
    field: str | None = None,
    headers: list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer with a refusal; `request_id` is a UUID, with or without hyphens."""
    body = problem(status, reason, detail, field, instance=UUID(request_id).urn)
    length = (b"content-length", str(len(body)).encode())
    headers = [*PROBLEM_HEADERS, id_header(request_id), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
