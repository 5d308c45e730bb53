"""Gates that ask for one secret, which all apps share: as a parameter, in the path, in a header."""

from typing import Final
from urllib.parse import unquote_to_bytes

from ingest.auth.declared import PLACE
from ingest.auth.refusals import NONE, WRONG, forbidden, same
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import Compiled

_OFF: Final = "removals without authentication are off, since reports are authenticated"


class ClosedGate(Gate):
    """The gate of a removal that is off (design.md section 3)."""

    async def before(self, asked: Asked) -> str | None:
        """Nobody passes."""
        raise RefusedError(403, "removal_off", _OFF)


class ParameterGate(Gate):
    """A query, form or JSON name carries the secret."""

    def __init__(self, template: Compiled) -> None:
        self._name = template.auth_parameter
        self._secrets = _secrets(template)

    async def after(self, asked: Asked, reading: Reading, username: str | None) -> str | None:
        """As `Gate.after`. Every value that came must be right, or one would be tried after another."""
        _check(self._secrets, [text.encode("utf-8", "replace") for text in reading.secrets], self._name)
        return None


class PathGate(Gate):
    """A segment of the path is the secret. A wrong one fits the template as well as the right one does, so that it is
    found out here, in constant time, and not by the search for the template."""

    def __init__(self, template: Compiled) -> None:
        self._path = template.path
        self._secrets = _secrets(template)

    async def before(self, asked: Asked) -> str | None:
        """As `Gate.before`."""
        raw = self._path.value(PLACE, asked.target.partition("?")[0])
        _check(self._secrets, [unquote_to_bytes(raw.encode("latin-1"))], None)
        return None


class HeaderGate(Gate):
    """A header of the operator's choice carries the secret."""

    def __init__(self, template: Compiled) -> None:
        self._name = template.source.auth_header.lower().encode()
        self._secrets = _secrets(template)

    async def before(self, asked: Asked) -> str | None:
        """As `Gate.before`."""
        _check(self._secrets, [value for name, value in asked.headers if name == self._name], None)
        return None


def _check(secrets: tuple[bytes, ...], given: list[bytes], field: str | None) -> None:
    """Something must be there, and all of it right.

    Raises:
        RefusedError: 403.
    """
    found = [same(secrets, one) for one in given]
    if not found or not all(found):
        raise forbidden(field, WRONG if found else NONE)


def _secrets(template: Compiled) -> tuple[bytes, ...]:
    """Those that count now (bytes, UTF-8)."""
    return tuple(secret.reveal().encode() for secret in template.auth_secrets)
