"""What ClickHouse already holds of a partition, for when Kafka no longer says how far the sink had come."""

from msgspec import Struct

from processors.clickhouse import AsyncClickHouse
from processors.log_identity import LogIdentityError


class Held(Struct, frozen=True, kw_only=True):
    """Rows of one partition: the highest offset of this log (None: no row), and whether another log left rows."""

    highest: int | None
    others: bool


async def held(clickhouse: AsyncClickHouse, table: str, log_id: str, partition: int) -> Held:
    """Ask for the rows of a partition.

    Raises:
        AwayError, RefusedError: as `AsyncClickHouse.query`.
    """
    found = await clickhouse.query(
        f"SELECT log_id, max(kafka_offset) FROM {table} WHERE kafka_partition = {{partition:UInt32}} "  # noqa: S608
        "GROUP BY log_id",
        {"partition": partition},
    )
    offsets = {str(row[0]): int(row[1]) for row in found.rows}
    return Held(highest=offsets.pop(log_id, None), others=bool(offsets))


def recount_to(rows: Held, log_id: str, where: str) -> int | None:
    """Up to which offset rows may be there already (None: none are), when no commit of ours says so.

    Kafka forgets the offsets of a group that is long away (offsets.retention.minutes), and those of a deleted topic.

    Raises:
        LogIdentityError: the rows that are there are another log's.
    """
    if rows.highest is None and rows.others:
        raise LogIdentityError(
            f"the rows of {where} in ClickHouse belong to another log than {log_id}: the topic was deleted and made "
            "again. Nothing was changed. If that is meant, run `pushtokens adopt-log` and start again."
        )
    return rows.highest
