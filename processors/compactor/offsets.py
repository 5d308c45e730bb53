"""The committed offsets of the compactor's group, and the identities that travel with them."""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from processors.compactor.copy import Identities
from processors.group_offsets import GroupOffset, GroupOffsets, read_response
from processors.log_identity import LogIdentityError, verify_log


class Mark(Struct, frozen=True, kw_only=True):
    """The metadata of a committed offset: which logs it belongs to.

    `rebuilt`: when `pushtokens rebuild` last asked for the table to be made again (ms, 0: never); local copies from
    before are dropped. `until`: the offset that had been applied before that, and has to be reached again before
    anybody may be told that a selector is unknown.
    """

    log_id: str
    latest_id: str
    removals_id: str
    rebuilt: int = 0
    until: int = 0


class Committed(NamedTuple):
    """A committed offset (None: never) and its mark (None: somebody else's commit)."""

    offset: int | None
    mark: Mark | None


def mark_of(identities: Identities, before: Mark | None = None) -> Mark:
    """The mark for a commit now; what `before` says of a rebuild is kept."""
    return Mark(
        log_id=identities.reports,
        latest_id=identities.latest,
        removals_id=identities.removals,
        rebuilt=0 if before is None else before.rebuilt,
        until=0 if before is None else before.until,
    )


def mark_text(mark: Mark) -> str:
    """The metadata text of a mark (under 200 bytes; Kafka takes 4096)."""
    return msgspec.json.encode(mark).decode()


def read_mark(text: str | None) -> Mark | None:
    """The mark of a commit; None when the text is not one of ours."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.MsgspecError:
        return None


def read_committed(response: Any) -> Committed:
    """What an OffsetFetch response for one partition says; raises as `processors.group_offsets.read_response`."""
    return _marked(read_response(response))


def _marked(found: GroupOffset) -> Committed:
    return Committed(found.offset, read_mark(found.metadata))


class Offsets(GroupOffsets):
    """Asks Kafka for the compactor group's committed offsets, marks included."""

    async def committed_mark(self, partition: int) -> Committed:
        """What is committed for one partition; never a transaction that is still open. Raises as `committed`."""
        return _marked(await self.committed(partition))


def verify(committed: Committed, identities: Identities, end: int, table_log: str, where: str) -> int:
    """Check that the committed offset belongs to the logs as they are now; returns the offset to go on from (0: all).

    Args:
        committed: what Kafka holds for the partition. Never committed, or forgotten (offsets.retention.minutes): then
            all that is retained is read again, and changes nothing, because each state knows the offset that made it.
        identities: of the topics now.
        end: the end offset of `reports`.
        table_log: the log that the newest state of the table came from (empty: there is none). It speaks when no mark
            does: Kafka forgets a topic's committed offsets when the topic is deleted.
        where: topic and partition, for the error.

    Raises:
        LogIdentityError: they do not fit; going on would lose reports or state without a word.
    """
    offset, mark = committed
    if mark is None:
        verify_log(table_log, identities.reports, f"the table behind {where}")
    else:
        verify_log(mark.log_id, identities.reports, f"the committed offset of {where}")
        if (mark.latest_id, mark.removals_id) != (identities.latest, identities.removals):
            raise LogIdentityError(
                f"the table behind {where} (topics latest and removals) was deleted and made again, so it no longer "
                "holds what was committed. Run `pushtokens rebuild` to make it again from the retained reports."
            )
    if offset is not None and offset > end:
        raise LogIdentityError(
            f"the committed offset of {where} is {offset}, past the log's end {end}: the log was cut off or made again."
            " Nothing was changed. If that is meant, run `pushtokens adopt-log` and start again."
        )
    return offset or 0
