"""The gate of a template with HTTP Digest."""

import time

from ingest.auth.account import bind
from ingest.auth.accounts import Accounts
from ingest.auth.digest import DigestError, challenge, parse, right
from ingest.auth.nonce import Nonces
from ingest.auth.refusals import NONE, STALE, WRONG, unauthorized
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import Compiled


class DigestGate(Gate):
    """Challenges, and checks the answers."""

    def __init__(self, template: Compiled, accounts: Accounts, nonces: Nonces) -> None:
        self._accounts = accounts
        self._nonces = nonces
        self._realm = template.source.auth_realm
        self._differs = template.source.auth_username_differs

    async def open(self) -> None:
        """As `Gate.open`."""
        await self._accounts.open()

    async def before(self, asked: Asked) -> str | None:
        """As `Gate.before`."""
        scheme, _, rest = asked.authorization.partition(" ")
        target = text_of(asked.target)
        try:
            if scheme.lower() != "digest":
                raise DigestError
            answer = parse(text_of(rest.strip()), self._realm, self._accounts.algorithms())
        except DigestError:
            raise self._refusal(asked, WRONG if asked.authorization else NONE) from None
        known = await self._accounts.find(answer.username, answer.algorithm)
        if not right(answer, known, asked.method, target):
            raise self._refusal(asked, WRONG)
        # Right in everything but the nonce: the client should try again with a new one, without asking anybody.
        if not self._nonces.fresh(answer.nonce, asked.method, target, time.time()):
            raise self._refusal(asked, STALE)
        return answer.username if self._accounts.personal else None

    async def after(self, asked: Asked, reading: Reading, username: str | None) -> str | None:
        """As `Gate.after`."""
        return None if username is None else bind(reading, username, differs=self._differs)

    async def close(self) -> None:
        """As `Gate.close`."""
        await self._accounts.close()

    def _refusal(self, asked: Asked, cause: str) -> RefusedError:
        nonce = self._nonces.issue(asked.method, text_of(asked.target), time.time())
        stale = cause is STALE
        found = (challenge(self._realm, algorithm, nonce, stale=stale) for algorithm in self._accounts.algorithms())
        return unauthorized(found, cause)


def text_of(latin: str) -> str:
    """A header's text that came as latin-1 (str) read as UTF-8, what is none of it as surrogates."""
    return latin if latin.isascii() else latin.encode("latin-1").decode("utf-8", "surrogateescape")
