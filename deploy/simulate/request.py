"""One HTTP request of the fleet: what it looks like on the wire, and what it tells."""

from typing import Literal

from msgspec import Struct

from schemas.records import Pair

Kind = Literal["first", "first_half", "second_half", "start", "rotated", "reinstalled", "logged_out", "login", "broken"]


class Told(Struct, frozen=True, kw_only=True):
    """What an accepted request must have put into its `reports` record."""

    kind: Literal["report", "removal"]
    selector: str
    username: str | None
    calls: Pair | None
    other: Pair | None
    install_id: str | None
    user_agent: str | None


class Wire(Struct, frozen=True, kw_only=True):
    """A request as sent: `target` is the raw path and query; `length` overrides the true Content-Length."""

    method: str
    target: str
    content_type: str | None = None
    body: bytes = b""
    length: int | None = None

    def encode(self, host: str, user_agent: str, close: bool) -> bytes:
        """The request's bytes for `host` (`name:port`); `close` ends the connection (RFC 9112, 9.6)."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}", f"User-Agent: {user_agent}"]
        if close:
            lines.append("Connection: close")
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        if self.body or self.method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(self.body) if self.length is None else self.length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class Request(Struct, frozen=True, kw_only=True):
    """One request of the day.

    `number` counts from 0; `at` is the simulated time (ms since midnight); `expect` is the status that a ready ingress
    answers; `told` is None where that is a refusal.
    """

    number: int
    phone: int
    at: int
    kind: Kind
    shape: str
    wire: Wire
    user_agent: str
    close: bool
    expect: int
    told: Told | None
