"""Who may report by a template: a port of two members. Templates open to all have no gate, and cost nothing."""

from collections.abc import Awaitable
from typing import Protocol

from msgspec import Struct

from ingest.reading import Reading


class Asked(Struct, frozen=True):
    """What is known of a request before its values are read.

    Attributes:
        method: as it came.
        target: path and query as they came (str, percent-encoded), RFC 9112 section 3.2.1.
        authorization: the header (str, may be empty).
        headers: all of them, names in lower case.
    """

    method: str
    target: str
    authorization: str
    headers: list[tuple[bytes, bytes]]


class Gate(Protocol):
    """Checks requests of one template. Both members are called for each, in this order."""

    def before(self, asked: Asked) -> None:
        """Check what the header says, before a body is read.

        Raises:
            RefusedError: 401 with a challenge, or 403.
        """

    def after(self, asked: Asked, reading: Reading) -> Awaitable[str | None]:
        """Check what needs the values, or somebody else's answer.

        Returns:
            The authenticated user name; None where the template's credentials are nobody's in particular.

        Raises:
            RefusedError: 401 with a challenge, or 403.
            BusyError: 503, who would know does not answer.
        """
