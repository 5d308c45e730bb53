"""ClickHouse's own Kafka engine on the same topic, feeding the same table through a materialized view.

chdb 4.4 answers the CREATE of such a table with "Shutdown was called" (code 49) and makes it all the same; it then
consumes as the server does. Its settings are those that did best here: docs/benchmarks.md.
"""

from typing import Final

from processors.clickhouse import ClickHouse, RefusedError
from schemas.settings import Settings
from schemas.topics import topics

LOGICAL_ERROR: Final = 49

_QUEUE: Final = """\
CREATE TABLE kafka_queue
(
    schema_version UInt16, id String, kind String, received_at Int64, selector String, username Nullable(String),
    calls Tuple(token Nullable(String), app_id Nullable(String)),
    other Tuple(token Nullable(String), app_id Nullable(String)),
    install_id Nullable(String), user_agent Nullable(String), origin String, reason Nullable(String)
)
ENGINE = Kafka
SETTINGS kafka_broker_list = '{bootstrap}', kafka_topic_list = '{topic}', kafka_group_name = '{group}',
    kafka_format = 'JSONEachRow', kafka_num_consumers = {consumers}, kafka_max_block_size = {block},
    kafka_poll_max_batch_size = {block}, kafka_thread_per_consumer = {threads}"""
_FEED: Final = """\
CREATE MATERIALIZED VIEW kafka_feed TO reports AS SELECT
    fromUnixTimestamp64Milli(received_at, 'UTC') AS received_at,
    assumeNotNull(_timestamp_ms) AS appended_at,
    kind, selector, ifNull(username, '') AS username,
    ifNull(calls.token, '') AS calls_token, ifNull(calls.app_id, '') AS calls_app_id,
    ifNull(other.token, '') AS other_token, ifNull(other.app_id, '') AS other_app_id,
    ifNull(install_id, '') AS install_id, ifNull(user_agent, '') AS user_agent, origin, ifNull(reason, '') AS reason,
    schema_version, id, '{log_id}' AS log_id, toUInt32(_partition) AS kafka_partition, _offset AS kafka_offset,
    toUInt16({partitions}) AS kafka_partitions
FROM kafka_queue"""


def start(settings: Settings, group: str, log_id: str, *, consumers: int = 2, block: int = 65_536) -> None:
    """Make the tables; consuming begins at once."""
    names = {"bootstrap": settings.bootstrap, "topic": topics(settings).reports.name, "group": group}
    queue = _QUEUE.format(**names, consumers=consumers, block=block, threads=int(consumers > 1))
    with ClickHouse(settings) as clickhouse:
        try:
            clickhouse.command(queue)
        except RefusedError as error:
            if error.code != LOGICAL_ERROR:
                raise
        clickhouse.command(_FEED.format(log_id=log_id, partitions=settings.partition_count))


def stop(settings: Settings) -> None:
    """Drop them, the table that consumes last."""
    with ClickHouse(settings) as clickhouse:
        clickhouse.command("DROP VIEW IF EXISTS kafka_feed SYNC")
        clickhouse.command("DROP TABLE IF EXISTS kafka_queue SYNC")
