"""Which selectors an account has, or ever had: by the history in ClickHouse and by the compactor's table."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
from msgspec import Struct

from deploy.forgetting.barrier import ForgetError, last_records, wait_passed
from processors.clickhouse import ClickHouse
from processors.erasure import selectors_of
from schemas.settings import Settings

_LOOKUP_SECONDS: Final = 10.0
_RETRY: Final = 0.5


class Found(Struct, frozen=True):
    """The selectors of an account, in order: `own` belong to nobody else now; `passed_on` have another account now, or
    had when they were last seen."""

    own: tuple[str, ...]
    passed_on: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.own or self.passed_on)


async def find(settings: Settings, username: str, seconds: float, left: str) -> Found:
    """Search, once compactor and sink have read what is on the log now: a report may be on its way to both.

    Args:
        username: the account, as the app reports it.
        seconds: how long to wait for compactor and sink.
        left: for an error, what has been done so far.

    Raises:
        ForgetError: compactor or sink does not run, or is not ready in time.
        TopicMissingError: there is no log.
        RefusedError, AwayError: ClickHouse.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    await wait_passed(settings, await last_records(settings), seconds, left)
    with ClickHouse(settings, timeout=seconds) as clickhouse:
        history = selectors_of(clickhouse, username)
    with _Lookup(settings, seconds, left) as lookup:
        current = lookup.of_account(username)
        names = lookup.usernames(sorted(history.keys() - current))
    return sort_out(username, history, current, names)


def sort_out(username: str, history: dict[str, bool], current: set[str], names: dict[str, str | None]) -> Found:
    """Whose each selector is now: the compactor's table says so, and where it knows nothing, the newest row.

    Args:
        history: selectors with a row of the account, and whether it is the last account that they named.
        current: selectors of the account by the compactor's table.
        names: the account, by that table, of other selectors of `history`; those with no pair are missing.
    """
    passed_on = {
        selector
        for selector, last in history.items()
        if selector not in current and (names.get(selector) or (username if last else "")) != username
    }
    return Found(tuple(sorted(history.keys() - passed_on | current)), tuple(sorted(passed_on)))


class _Lookup:
    """The lookup API, as far as it is needed here."""

    def __init__(self, settings: Settings, seconds: float, left: str) -> None:
        self._base = settings.lookup.advertised_url or f"http://{settings.lookup.host}:{settings.lookup.port}"
        self._batch, self._left = settings.lookup.max_batch, left
        self._end = time.monotonic() + seconds
        key = settings.lookup.api_key.reveal()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=self._base, headers=headers, timeout=_LOOKUP_SECONDS)

    def __enter__(self) -> "_Lookup":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

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

    def _failed(self, what: str) -> ForgetError:
        return ForgetError(f"the compactor at {self._base} {what} {self._left}")


def _chunks(all_: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (all_[start : start + size] for start in range(0, len(all_), size))
