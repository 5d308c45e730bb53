"""Asks the lookup API of a running compactor, for commands that change something first."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from deploy.barrier import UnfinishedError
from schemas.lookup import SelectorAnswer
from schemas.settings import Settings

_LOOKUP_SECONDS: Final = 10.0
_RETRY: Final = 0.5


class LookupClient:
    """The lookup API of the running compactor, as far as commands need it; use it in a `with`.

    Its questions raise `UnfinishedError` when it cannot be asked, or is not ready in time.
    """

    def __init__(self, settings: Settings, seconds: float, left: str) -> None:
        """
        Args:
            settings: say where it is, and its key.
            seconds: how long to wait for one that is not ready (503).
            left: for an error, what has been done so far.
        """
        self._base = settings.lookup.advertised_url or f"http://{settings.lookup.host}:{settings.lookup.port}"
        self._batch, self._left = settings.lookup.max_batch, left
        self._end = time.monotonic() + seconds
        key = settings.lookup.api_key.reveal()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=self._base, headers=headers, timeout=_LOOKUP_SECONDS)

    def __enter__(self) -> "LookupClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def selector(self, selector: str) -> SelectorAnswer | None:
        """What is known of a selector; None: it has no pair."""
        body = self._ask("GET", f"/v1/selectors/{quote(selector, safe='')}")
        return None if body is None else msgspec.convert(body, SelectorAnswer)

    def of_account(self, username: str) -> set[str]:
        """Its selectors."""
        body = self._ask("GET", f"/v1/accounts/{quote(username, safe='')}")
        return set() if body is None else {str(found["selector"]) for found in body["selectors"]}

    def usernames(self, selectors: Sequence[str]) -> dict[str, str | None]:
        """The account of each selector that has a pair."""
        names: dict[str, str | None] = {}
        for some in _chunks(selectors, self._batch):
            body = self._ask("POST", "/v1/selectors", {"selectors": list(some)}) or {"selectors": []}
            names.update((str(found["selector"]), found["username"]) for found in body["selectors"])
        return names

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer's body, None for 404. A worker that is not ready yet (503) is asked again until the deadline."""
        while True:
            try:
                answer = self._client.request(method, path, json=body)
                if answer.status_code == 404:
                    return None
                if answer.status_code != 503 or time.monotonic() > self._end:
                    return answer.raise_for_status().json()
            except httpx.HTTPStatusError as error:
                raise self._failed(f"answers {error.response.status_code}") from None
            except (httpx.HTTPError, ValueError) as error:
                raise self._failed(f"cannot be asked ({type(error).__name__}): is it running?") from None
            time.sleep(_RETRY)

    def _failed(self, what: str) -> UnfinishedError:
        return UnfinishedError(f"the compactor at {self._base} {what} {self._left}")


def _chunks(all_: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (all_[start : start + size] for start in range(0, len(all_), size))
