-- What `pushtokens forget` erased, so that no replay, rebuild or import brings it back. It holds SHA-256 digests (of the
-- selector, and of the user name if that was asked for), not the names themselves.
CREATE TABLE IF NOT EXISTS {{database}}.erasures{{local}} {{on_cluster}}
(
    `what` LowCardinality(String),
    `digest` FixedString(64),
    `erased_at` DateTime64(3, 'UTC')
)
ENGINE = {{engine ReplacingMergeTree erased_at}}
ORDER BY (what, digest);

-- when: replicated
CREATE TABLE IF NOT EXISTS {{database}}.erasures {{on_cluster}}
AS {{database}}.erasures_local
ENGINE = Distributed('{{cluster}}', '{{database}}', 'erasures_local', cityHash64(digest));
