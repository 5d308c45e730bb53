-- The roll-up's feed without a GROUP BY of its own: each report's tokens are a line of the block, and the roll-up's table
-- puts equal ones together when its parts are merged, as it always did. Grouping them in every insert cost more than all
-- else that an insert does in the engine (docs/clickhouse.md).
ALTER TABLE {{database}}.token_lifetimes_feed {{on_cluster}}
MODIFY QUERY SELECT
    selector,
    slot,
    token,
    app_id,
    log_id,
    kafka_partition,
    received_at AS first_seen,
    received_at AS last_seen,
    initializeAggregation('groupBitmapState', kafka_offset) AS offsets
FROM {{database}}.reports{{local}}
ARRAY JOIN
    ['calls', 'other'] AS slot,
    [calls_token, other_token] AS token,
    [calls_app_id, other_app_id] AS app_id
WHERE kind = 'report' AND token != '';
