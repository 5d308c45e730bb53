"""The operator's HTTP service that says whether a password is right: the only place here that calls out.

`POST auth_check_url`, JSON `{"username": …, "password": …}`. 200 to 299: yes; 401, 403, 404: no; anything else, also a
redirect: no answer. The body of the answer means nothing.
"""

from traceback import clear_frames
from types import TracebackType
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp

from ingest.auth.external import CheckError
from schemas.secret import Secret

_MOST_READ: Final = 65536  # bytes of a body; with a longer one the connection is closed
_NO: Final = frozenset({401, 403, 404})


class HttpCheck:
    """A client of the service, with connections that it keeps."""

    def __init__(self, url: Secret, limit: int, timeout: float) -> None:
        """`url` may hold user name and password (HTTP Basic); at most `limit` connections; `timeout` (s) of a question.

        A running event loop is needed.
        """
        parts = urlsplit(url.reveal())
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        self._url = urlunsplit(bare)
        login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._session = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(*login)} if login else None,
            connector=aiohttp.TCPConnector(limit=limit),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout),
            trust_env=False,  # a proxy of the environment would see every password
        )

    async def ask(self, username: str, password: str) -> bool:
        """Yes or no.

        Raises:
            CheckError: neither.
        """
        question = {"username": username, "password": password}
        try:
            # A redirect would take the password somewhere else.
            async with self._session.post(self._url, json=question, allow_redirects=False) as answer:
                status = answer.status
                await answer.content.read(_MOST_READ)  # so that the connection can be used again
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            _let_go(error)
            raise CheckError(type(error).__name__) from None
        if 200 <= status < 300:
            return True
        if status in _NO:
            return False
        raise CheckError(f"status {status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def __aenter__(self) -> "HttpCheck":
        """For `async with`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()


def _let_go(error: BaseException) -> None:
    """Break the circles of an error: its frames hold it, which only the collector would find, and that comes seldom."""
    found: BaseException | None = error
    while found is not None:
        clear_frames(found.__traceback__)
        found = found.__cause__ or found.__context__
