-- The history: one row per valid record of the reports topic, written once by the sink (docs/clickhouse.md).
--
-- Absent is the empty text. Partitioned by the month in which Kafka took the record (LogAppendTime), not by the
-- reporter's clock: a producer with wild dates can then not spread one insert over more than 100 partitions.
-- `kafka_partitions` is the topic's partition count (0: unknown): by it the server refuses a record on a partition that
-- Kafka's own partitioner would not have chosen (murmur2 in Python would halve the sink's speed).
-- The two minmax indexes span whole parts: a query for some days, or for a range of offsets, skips the other months.
CREATE TABLE IF NOT EXISTS {{database}}.reports{{local}} {{on_cluster}}
(
    `received_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `appended_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `kind` LowCardinality(String),
    `selector` String CODEC(ZSTD(1)),
    `username` String CODEC(ZSTD(1)),
    `calls_token` String CODEC(ZSTD(1)),
    `calls_app_id` LowCardinality(String),
    `other_token` String CODEC(ZSTD(1)),
    `other_app_id` LowCardinality(String),
    `install_id` String CODEC(ZSTD(1)),
    `user_agent` LowCardinality(String),
    `origin` LowCardinality(String),
    `reason` LowCardinality(String),
    `schema_version` UInt16,
    `id` String CODEC(ZSTD(1)),
    `log_id` LowCardinality(String),
    `kafka_partition` UInt32,
    `kafka_offset` UInt64 CODEC(Delta, ZSTD(1)),
    `kafka_partitions` UInt16 DEFAULT 0,
    INDEX days received_at TYPE minmax GRANULARITY 1024,
    INDEX offsets kafka_offset TYPE minmax GRANULARITY 1024,
    CONSTRAINT right_partition
        CHECK kafka_partitions = 0 OR bitAnd(kafkaMurmurHash(selector), 2147483647) % kafka_partitions = kafka_partition
)
ENGINE = {{engine MergeTree}}
PARTITION BY toYYYYMM(appended_at)
ORDER BY (selector, received_at, kafka_partition, kafka_offset)
SETTINGS
    -- 0 by default on a table without replicas, and then no deduplication token has any effect.
    non_replicated_deduplication_window = 10000,
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800;

-- when: replicated
CREATE TABLE IF NOT EXISTS {{database}}.reports {{on_cluster}}
AS {{database}}.reports_local
ENGINE = Distributed('{{cluster}}', '{{database}}', 'reports_local', cityHash64(selector));
