"""The gate of a template with HTTP Basic."""

from ingest.auth.account import bind
from ingest.auth.accounts import Accounts, ha1
from ingest.auth.basic import challenge, credentials
from ingest.auth.refusals import NONE, WRONG, same, unauthorized
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.template import Compiled


class BasicGate(Gate):
    """Checks user name and password against the accounts' HA1, as Digest does."""

    def __init__(self, template: Compiled, accounts: Accounts) -> None:
        self._accounts = accounts
        self._realm = template.source.auth_realm
        self._differs = template.source.auth_username_differs

    async def open(self) -> None:
        """As `Gate.open`."""
        await self._accounts.open()

    async def before(self, asked: Asked) -> str | None:
        """As `Gate.before`."""
        given = credentials(asked.authorization)
        if given is None:
            raise unauthorized([challenge(self._realm)], WRONG if asked.authorization else NONE)
        username, password = given
        right = False
        for algorithm in self._accounts.algorithms():
            known = await self._accounts.find(username, algorithm)
            right |= same(known, ha1(algorithm, username, self._realm, password))
        if not right:
            raise unauthorized([challenge(self._realm)], WRONG)
        return username if self._accounts.personal else None

    async def after(self, asked: Asked, reading: Reading, username: str | None) -> str | None:
        """As `Gate.after`."""
        return None if username is None else bind(reading, username, differs=self._differs)

    async def close(self) -> None:
        """As `Gate.close`."""
        await self._accounts.close()
