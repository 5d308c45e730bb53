"""Answers lookups from the table, and from other workers' for partitions that they hold. Knows nothing of HTTP."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol, TypeVar

from processors.compactor import freshness
from processors.compactor.copy import Copy
from processors.compactor.peers import Peers, UnavailableError
from schemas.lookup import AccountAnswer, AsOf, SelectorAnswer, SelectorsAnswer, answer_of
from schemas.partition import partition_of
from schemas.records import Latest

Answer = TypeVar("Answer")


class Owner(freshness.Owner, Protocol):
    """A partition that this worker owns and is caught up with."""

    copy: Copy

    @property
    def complete(self) -> bool:
        """Whether the table has been read in whole, also after a rebuild."""


class View(Protocol):
    """What a lookup may know of the table."""

    def owner(self, partition: int) -> Owner | None:
        """The owner of a partition, if it is this worker and it is caught up."""

    def lag(self, owner: Owner) -> int | None:
        """Records not applied yet; None: not known now."""

    async def current(self, owner: Owner) -> bool:
        """Whether all is applied that is on the log now; may wait a little for it."""

    def holders(self) -> dict[int, str]:
        """The URL of the worker that holds each partition."""

    def confirmed(self) -> bool:
        """Whether this worker is known to be the owner still: only then may it say that a selector is unknown."""


class Lookup:
    """The lookup of one worker."""

    def __init__(self, view: View, peers: Peers, partitions: int, own_url: str) -> None:
        self._view, self._peers, self._partitions, self._own_url = view, peers, partitions, own_url

    async def selectors(self, selectors: Sequence[str], hop: bool) -> SelectorsAnswer:
        """The newest pairs of many selectors; `hop`: asked by another worker, so only own partitions answer.

        Raises:
            UnavailableError: a partition that is needed cannot answer now.
        """
        wanted: dict[int, list[str]] = defaultdict(list)
        for selector in dict.fromkeys(selectors):
            wanted[partition_of(selector.encode(), self._partitions)].append(selector)
        remote: dict[str, list[str]] = defaultdict(list)
        parts: list[SelectorsAnswer] = []
        holders = self._view.holders()
        own: list[Awaitable[SelectorsAnswer]] = []
        for partition, some in wanted.items():
            owner = self._view.owner(partition)
            if owner is not None:
                own.append(self._own(owner, some))
            else:
                remote[self._elsewhere(holders, partition, hop)].extend(some)
        parts += await _all([*own, *(self._peers.selectors(url, some) for url, some in remote.items())])
        return SelectorsAnswer(
            selectors=[found for part in parts for found in part.selectors],
            unknown=[selector for part in parts for selector in part.unknown],
            as_of=sorted((at for part in parts for at in part.as_of), key=lambda at: at.partition),
        )

    async def _own(self, owner: Owner, selectors: list[str]) -> SelectorsAnswer:
        keys = [selector.encode() for selector in selectors]
        states = owner.copy.load(keys)
        if any(not isinstance(state, Latest) for state in states.values()):
            await self._must_be_sure(owner)
            states = owner.copy.load(keys)
        as_of = self._as_of(owner)
        found: list[SelectorAnswer] = []
        unknown: list[str] = []
        for selector in selectors:
            state = states[selector.encode()]
            if isinstance(state, Latest):
                found.append(answer_of(state, as_of))
            else:
                unknown.append(selector)
        return SelectorsAnswer(selectors=found, unknown=unknown, as_of=[as_of])

    async def account(self, username: str, hop: bool) -> AccountAnswer:
        """All selectors of an account, over all partitions; with `hop` over this worker's own.

        Raises:
            UnavailableError: a partition cannot answer now.
        """
        owners = [owner for partition in range(self._partitions) if (owner := self._view.owner(partition))]
        parts = await _all(self._own_account(owner, username) for owner in owners)
        if not hop:
            holders = self._view.holders()
            missing = set(range(self._partitions)) - {owner.partition for owner in owners}
            urls = {self._elsewhere(holders, partition, hop) for partition in missing}
            parts += await _all(self._peers.account(url, username) for url in sorted(urls))
            answered = {at.partition for part in parts for at in part.as_of}
            if len(answered) < self._partitions:
                raise UnavailableError(f"partitions {sorted(set(range(self._partitions)) - answered)} do not answer")
        selectors = {found.selector: found for part in parts for found in part.selectors}
        as_of = {at.partition: at for part in parts for at in part.as_of}
        return AccountAnswer(
            username=username,
            selectors=[selectors[selector] for selector in sorted(selectors)],
            as_of=[as_of[partition] for partition in sorted(as_of)],
        )

    async def _own_account(self, owner: Owner, username: str) -> AccountAnswer:
        await self._must_be_sure(owner)
        as_of = self._as_of(owner)
        found = [answer_of(latest, as_of) for latest in owner.copy.account(username)]
        return AccountAnswer(username=username, selectors=found, as_of=[as_of])

    def _as_of(self, owner: Owner) -> AsOf:
        return AsOf(partition=owner.partition, offset=owner.next_offset, lag=self._view.lag(owner))

    async def _must_be_sure(self, owner: Owner) -> None:
        """What is not in the table now is not on the log either.

        Raises:
            UnavailableError: nobody can say that now.
        """
        if not await self._view.current(owner):
            raise UnavailableError(f"partition {owner.partition} has not yet applied all that is on the log")
        if self._view.owner(owner.partition) is not owner:
            raise UnavailableError(f"partition {owner.partition} is being taken over or read in")
        if not self._view.confirmed():
            raise UnavailableError(
                f"partition {owner.partition}: Kafka has not confirmed of late that it is still here"
            )
        if not owner.complete:
            raise UnavailableError(f"partition {owner.partition} is being rebuilt")

    def _elsewhere(self, holders: dict[int, str], partition: int, hop: bool) -> str:
        url = holders.get(partition)
        if hop or url is None or url == self._own_url:
            raise UnavailableError(f"partition {partition} is being taken over or read in")
        return url


async def _all(asked: Iterable[Awaitable[Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*asked))
