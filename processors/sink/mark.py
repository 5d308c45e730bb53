"""The metadata of the sink's committed offsets: the log, and the range that an insert may be under way for.

Before an insert it commits the range's first offset with the range's last one as metadata; after it, the next offset.
Whoever owns the partition next reads from the mark which range to repeat, record for record (design.md section 6).
"""

import msgspec
from msgspec import Struct

from processors.group_offsets import GroupOffset
from processors.log_identity import LogIdentityError, verify_log


class Mark(Struct, frozen=True, kw_only=True):
    """The metadata of a commit.

    `last`: the last offset of the range under way, which begins at the committed offset; None: nothing is under way.
    `recount`: up to this offset rows may be there by ranges that nobody remembers; None: nothing of that kind.
    """

    log_id: str
    last: int | None = None
    recount: int | None = None


class Resume(Struct, frozen=True, kw_only=True):
    """Where a partition goes on.

    `offset`: the next one; `last`: the end of the range that has to be repeated first; `recount`: up to here rows may
    be there already, and are counted before anything is inserted; `known`: whether a commit of ours said so.
    """

    offset: int
    last: int | None = None
    recount: int | None = None
    known: bool = True


def mark_text(mark: Mark) -> str:
    """The metadata text (str, under 100 bytes; Kafka takes 4096)."""
    return msgspec.json.encode(mark).decode()


def resume(committed: GroupOffset, log_id: str, end: int, where: str) -> Resume:
    """Where to go on after `committed`.

    Args:
        committed: what Kafka holds for the partition.
        log_id: the topic's identity now.
        end: the partition's end offset.
        where: topic and partition, for the error.

    Raises:
        LogIdentityError: the offset is another log's, or past the end; going on would lose reports without a word.
    """
    mark = _read(committed.metadata)
    if mark is not None:
        verify_log(mark.log_id, log_id, f"the committed offset of {where}")
    if committed.offset is None:
        return Resume(offset=0, known=False)
    if committed.offset > end:
        raise LogIdentityError(
            f"the committed offset of {where} is {committed.offset}, past the log's end {end}: the log was cut off or "
            "made again. Nothing was changed. If that is meant, run `pushtokens adopt-log` and start again."
        )
    if mark is None:
        return Resume(offset=committed.offset, known=False)
    return Resume(offset=committed.offset, last=mark.last, recount=mark.recount)


def _read(text: str) -> Mark | None:
    """The mark of a commit; None when the text is not one of ours (an operator's reset)."""
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.MsgspecError:
        return None
