"""The gate of a template whose URLs are signed, one for each account."""

import time

from ingest.auth.account import bind
from ingest.auth.refusals import NONE, WRONG, forbidden
from ingest.auth.signature import verify
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.template import Compiled


class SignedGate(Gate):
    """The signature names the account; the report must not name another."""

    def __init__(self, template: Compiled) -> None:
        self._name = template.auth_parameter
        self._keys = template.source.auth_keys
        self._differs = template.source.auth_username_differs

    async def after(self, asked: Asked, reading: Reading, username: str | None) -> str | None:
        """As `Gate.after`; the same answer for a signature that is missing, wrong, expired or of an unknown key."""
        given = reading.secrets
        found = verify(self._keys, given[0], time.time()) if given and given.count(given[0]) == len(given) else None
        if found is None:
            raise forbidden(self._name, WRONG if given else NONE)
        return bind(reading, found, differs=self._differs)
