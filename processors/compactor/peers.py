"""Asks other workers' lookup APIs for the partitions that they hold."""

from typing import Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from schemas.lookup import AccountAnswer, SelectorsAnswer
from schemas.settings import Lookup

Answer = TypeVar("Answer")

HOP: Final = "X-Pushtokens-Hop"
"""Header of a forwarded question: answer it from your own partitions or not at all."""


class UnavailableError(Exception):
    """Some partition cannot answer now: an unknown selector must not be told from it. Ask again in a moment."""


class Peers:
    """HTTP client to the other workers."""

    def __init__(self, settings: Lookup) -> None:
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)
        self._headers = {HOP: "1"}
        if settings.api_key:
            self._headers["Authorization"] = f"Bearer {settings.api_key.reveal()}"
        self._session: aiohttp.ClientSession | None = None

    async def selectors(self, url: str, selectors: list[str]) -> SelectorsAnswer:
        """Ask the worker at `url` for selectors of its partitions.

        Raises:
            UnavailableError: it cannot be reached in time, or cannot answer now.
        """
        body = msgspec.json.encode({"selectors": selectors})
        return await self._ask("POST", url, "/v1/selectors", SelectorsAnswer, body)

    async def account(self, url: str, username: str) -> AccountAnswer:
        """Ask the worker at `url` for what its partitions hold of an account.

        Raises:
            UnavailableError: it cannot be reached in time, or cannot answer now.
        """
        return await self._ask("GET", url, f"/v1/accounts/{quote(username, safe='')}", AccountAnswer)

    async def _ask(self, method: str, url: str, path: str, kind: type[Answer], data: bytes | None = None) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        try:
            target = URL(url + path, encoded=True)
            async with self._session.request(method, target, headers=self._headers, data=data) as response:
                body = await response.read()
                if response.status != 200:
                    raise UnavailableError(f"the worker at {url} answers {response.status}")
                return msgspec.json.decode(body, type=kind)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            raise UnavailableError(f"the worker at {url}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
