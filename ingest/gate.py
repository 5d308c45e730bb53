"""Who may report by a template: a port, with a gate for each mode behind it. Open templates have none: they cost
nothing."""

from msgspec import Struct

from ingest.reading import Reading


class Asked(Struct, frozen=True):
    """What is known of a request before its values are read.

    Attributes:
        method: as it came.
        target: path and query as they came (str, percent-encoded), RFC 9112 section 3.2.1.
        authorization: the header (str, latin-1; may be empty).
        headers: all of them, names in lower case.
    """

    method: str
    target: str
    authorization: str
    headers: list[tuple[bytes, bytes]]


class Gate:
    """Checks requests of one template: `before` and `after` are called for each, in this order. As it stands here, a
    gate lets everybody through."""

    async def open(self) -> None:
        """Called once, before the first request: start what the gate needs."""

    async def before(self, asked: Asked) -> str | None:
        """Check what path and header say, before a body is read.

        Returns:
            The authenticated user name; None where there is none yet, or the credentials are nobody's in particular.

        Raises:
            RefusedError: 401 with a challenge, or 403.
            BusyError: 503, who would know does not answer.
        """
        return None

    async def after(self, asked: Asked, reading: Reading, username: str | None) -> str | None:
        """Check what needs the values, and them against `username`, which `before` has returned.

        Returns:
            The authenticated user name, as in `before`.

        Raises:
            RefusedError: 401 with a challenge, or 403.
            BusyError: 503, who would know does not answer.
        """
        return username

    async def close(self) -> None:
        """Called once, after the last request: let go of everything, at once."""
