"""Which selectors an account has, or ever had: by the history in ClickHouse and by the compactor's table."""

from msgspec import Struct

from deploy.barrier import last_records, wait_passed
from deploy.lookup_client import LookupClient
from processors.clickhouse import ClickHouse
from processors.erasure import selectors_of
from schemas.settings import Settings


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
        UnfinishedError: compactor or sink does not run, or is not ready in time.
        TopicMissingError: there is no log.
        RefusedError, AwayError: ClickHouse.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    await wait_passed(settings, await last_records(settings), seconds, left)
    with ClickHouse(settings, timeout=seconds) as clickhouse:
        history = selectors_of(clickhouse, username)
    with LookupClient(settings, seconds, left) as lookup:
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
