-- Roll-up: how long tokens lived, by the week in which the slot received them (docs/churn.md). Filled as
-- `churn_events` is; figures only.
--
-- A token's life begins with the record that brought it into the slot and ends with the rotation or removal that took it
-- out (`ended`). One that is still there is right-censored at the last record that confirmed it (`censored`): nothing
-- is known of it after that. age is in whole days (24 h). app_id: the one it had last.
CREATE TABLE IF NOT EXISTS {{database}}.churn_lifetimes {{on_cluster}}
(
    `week` Date,
    `slot` LowCardinality(String),
    `app_id` LowCardinality(String),
    `platform` LowCardinality(String),
    `age` UInt16,
    `ended` UInt64,
    `censored` UInt64
)
ENGINE = MergeTree
ORDER BY (slot, week, app_id, age);

CREATE VIEW IF NOT EXISTS {{database}}.churn_lifetimes_now {{on_cluster}}
AS WITH
    -- the records that brought or took a token; then each with the next one: (from, until, ended, app)
    (line) -> arrayFilter(x -> x.7 NOT IN ('unchanged', 'app_changed'), line) AS turns,
    (slot, line) -> arrayFilter(x -> x.6, arrayMap(
        (x, n) -> (
            x.2,
            if(n.2 != 0, n.2, line[-1].2),
            n.2 != 0,
            slot,
            if(n.2 != 0, n.6, line[-1].5),
            x.3 > 1
        ),
        turns(line),
        arrayPopFront(arrayPushBack(
            turns(line), (toUInt16(0), toInt64(0), toUInt64(0), toUInt64(0), '', '', '')
        ))
    )) AS lives
SELECT
    toMonday(toDate(toUInt16(intDiv(life.1, 86400000)))) AS week,
    life.4 AS slot,
    life.5 AS app_id,
    platform,
    toUInt16(intDiv(life.2 - life.1, 86400000)) AS age,
    countIf(life.3) AS ended,
    countIf(NOT life.3) AS censored
FROM {{database}}.churn_histories
ARRAY JOIN arrayConcat(lives('calls', calls), lives('other', other)) AS life
GROUP BY week, slot, app_id, platform, age;
