-- When the churn roll-ups were last computed: from how many rows of `reports`, the newest of them, and how long it took.
CREATE TABLE IF NOT EXISTS {{database}}.churn_builds {{on_cluster}}
(
    `built_at` DateTime64(3, 'UTC'),
    `history_rows` UInt64,
    `newest` DateTime64(3, 'UTC'),
    `seconds` Float64
)
ENGINE = MergeTree
ORDER BY built_at
TTL toDateTime(built_at) + toIntervalDay(30);
