-- Each token's life: when a selector first and last reported it in a slot, and how often.
--
-- Rolled up as reports arrive. Every column of the roll-up is idempotent (min, max, a set of offsets): feeding it the same
-- report again changes nothing, so a repeated insert, which ClickHouse drops from `reports` but not from its views,
-- keeps `reports` exact. A roll-up that adds up counts would not be (docs/clickhouse.md, "Roll-ups").
-- A removal's tokens are named, not reported: they do not count.
CREATE TABLE IF NOT EXISTS {{database}}.token_lifetimes_rollup{{local}} {{on_cluster}}
(
    `selector` String CODEC(ZSTD(1)),
    `slot` LowCardinality(String),
    `token` String CODEC(ZSTD(1)),
    `app_id` LowCardinality(String),
    `log_id` LowCardinality(String),
    `kafka_partition` UInt32,
    `first_seen` SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    `last_seen` SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    `offsets` AggregateFunction(groupBitmap, UInt64)
)
ENGINE = {{engine AggregatingMergeTree}}
ORDER BY (selector, slot, token, app_id, log_id, kafka_partition);

-- when: replicated
CREATE TABLE IF NOT EXISTS {{database}}.token_lifetimes_rollup {{on_cluster}}
AS {{database}}.token_lifetimes_rollup_local
ENGINE = Distributed('{{cluster}}', '{{database}}', 'token_lifetimes_rollup_local', cityHash64(selector));

CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}.token_lifetimes_feed {{on_cluster}}
TO {{database}}.token_lifetimes_rollup{{local}}
AS SELECT
    selector,
    slot,
    token,
    app_id,
    log_id,
    kafka_partition,
    min(received_at) AS first_seen,
    max(received_at) AS last_seen,
    groupBitmapState(kafka_offset) AS offsets
FROM {{database}}.reports{{local}}
ARRAY JOIN
    ['calls', 'other'] AS slot,
    [calls_token, other_token] AS token,
    [calls_app_id, other_app_id] AS app_id
WHERE kind = 'report' AND token != ''
GROUP BY selector, slot, token, app_id, log_id, kafka_partition;

CREATE VIEW IF NOT EXISTS {{database}}.token_lifetimes {{on_cluster}}
AS SELECT
    selector,
    slot,
    token,
    app_id,
    min(first) AS first_seen,
    max(last) AS last_seen,
    sum(number) AS reports
FROM
(
    SELECT
        selector,
        slot,
        token,
        app_id,
        min(first_seen) AS first,
        max(last_seen) AS last,
        groupBitmapMerge(offsets) AS number
    FROM {{database}}.token_lifetimes_rollup
    GROUP BY selector, slot, token, app_id, log_id, kafka_partition
)
GROUP BY selector, slot, token, app_id;
