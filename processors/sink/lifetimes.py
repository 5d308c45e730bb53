"""Feeds the roll-up of `token_lifetimes` again for a range of offsets (`schemas/clickhouse/0002_token_lifetimes.sql`).

The materialized view feeds it with every insert. But an engine that is killed after the rows are published and before
the view has run drops the repeated insert as a duplicate, and the view never sees it (measured on chdb 4.4: a whole
range was missing). Every column of the roll-up is idempotent, so feeding it once more from the rows makes it exact.
"""

from typing import Final

_FEED: Final = """\
INSERT INTO {database}.token_lifetimes_rollup
(selector, slot, token, app_id, log_id, kafka_partition, first_seen, last_seen, offsets)
SELECT selector, slot, token, app_id, log_id, kafka_partition,
    min(received_at), max(received_at), groupBitmapState(kafka_offset)
FROM {database}.reports
ARRAY JOIN ['calls', 'other'] AS slot, [calls_token, other_token] AS token, [calls_app_id, other_app_id] AS app_id
WHERE kind = 'report' AND token != '' AND log_id = {{log:String}} AND kafka_partition = {{partition:UInt32}}
    AND kafka_offset BETWEEN {{first:UInt64}} AND {{last:UInt64}}
GROUP BY selector, slot, token, app_id, log_id, kafka_partition"""


def feed_statement(database: str) -> str:
    """The statement; its parameters are `log`, `partition`, `first` and `last` (offsets, both included)."""
    return _FEED.format(database=database)
