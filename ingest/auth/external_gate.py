"""The gate of a template whose credentials somebody else checks."""

from ingest.auth.account import bind, possible
from ingest.auth.answer_cache import AnswerCache
from ingest.auth.basic import challenge, credentials
from ingest.auth.bounded import Bounded
from ingest.auth.external import CAUSE, DETAIL, ExternalCheck
from ingest.auth.refusals import NONE, WRONG, forbidden, unauthorized
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.refusal import BusyError
from ingest.template import Compiled
from schemas.settings import Ingest


class ExternalGate(Gate):
    """User name and password come in the Basic header, or as the template's own names."""

    def __init__(self, template: Compiled, settings: Ingest) -> None:
        self._template = template
        self._settings = settings
        self._check: ExternalCheck | None = None

    async def open(self) -> None:
        """As `Gate.open`."""
        from ingest.auth.http_check import HttpCheck  # aiohttp: only for who needs it

        own, limit = self._settings, self._settings.auth_concurrency
        self._client = HttpCheck(self._template.source.auth_check_url, limit, own.auth_timeout)
        cache = AnswerCache(own.auth_cache_size, own.auth_yes_seconds, own.auth_no_seconds)
        bounded = Bounded(limit, own.auth_timeout, DETAIL, CAUSE)
        self._check = ExternalCheck(self._template.name, self._client.ask, cache, bounded)

    async def before(self, asked: Asked) -> str | None:
        """As `Gate.before`: the Basic header, where that has the credentials."""
        if self._template.auth_parameter:
            return None
        given = credentials(asked.authorization)
        if given is None or not await self._right(*given):
            cause = WRONG if asked.authorization else NONE
            raise unauthorized([challenge(self._template.source.auth_realm)], cause)
        return given[0]

    async def after(self, asked: Asked, reading: Reading, username: str | None) -> str | None:
        """As `Gate.after`."""
        name = self._template.auth_parameter
        if name:
            username = reading.values.get("username", "")
            given = reading.secrets
            one = bool(given) and given.count(given[0]) == len(given)
            if not one or not possible(username) or not await self._right(username, given[0]):
                raise forbidden(name, WRONG if given else NONE)
        assert username is not None
        return bind(reading, username, differs=self._template.source.auth_username_differs)

    async def close(self) -> None:
        """As `Gate.close`."""
        if self._check is not None:
            await self._check.close()
            await self._client.close()

    async def _right(self, username: str, password: str) -> bool:
        if self._check is None:
            raise BusyError(503, DETAIL, cause=CAUSE)
        return await self._check.right(username, password)
