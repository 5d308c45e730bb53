-- Roll-up: how many there are, by day, slot, app id and platform, as changes from the day before: the level of a day is the
-- sum of all changes up to it (docs/churn.md). Filled as `churn_events` is; figures only.
--
-- level, at the end of a day:
--   held: the slot holds a token (reported or imported, not removed since);
--   reach: and some record of the last 30 days (android: 270), that day included, confirmed it;
--   active_7, active_30: an app reported the slot on that day or the 6 (29) before it.
-- A slot counts under the app id it had last. Slot `any` counts selectors: held and reach in at least one slot;
-- active: any report, tokens or none. There, app id `*` is all, else the slots with that app id.
CREATE TABLE IF NOT EXISTS {{database}}.churn_levels {{on_cluster}}
(
    `day` Date,
    `slot` LowCardinality(String),
    `app_id` LowCardinality(String),
    `platform` LowCardinality(String),
    `level` LowCardinality(String),
    `change` Int64
)
ENGINE = MergeTree
ORDER BY (level, slot, app_id, day);

CREATE VIEW IF NOT EXISTS {{database}}.churn_levels_now {{on_cluster}}
AS WITH
    if(platform = 'android', 270, 30) AS silence,
    (line) -> arrayMap(x -> (toUInt32(x.1), x.5, x.3 > 1), line) AS known,
    (line) -> arrayMap(x -> (toUInt32(x.1), x.5, true), arrayFilter(x -> x.7 NOT IN ('removed', 'imported'), line)) AS sent,
    -- (day, app, there) to intervals (from, until, app): each record reaches `days` far, or to the next one.
    (xs, days) -> arrayFilter(x -> x.4, arrayMap(
        (x, n) -> (x.1, least(x.1 + days, n.1), x.2, x.3), xs, arrayPopFront(arrayPushBack(xs, (toUInt32(65535), '', false)))
    )) AS reaches,
    -- intervals that meet and have the same app id become one
    (xs) -> arrayMap(
        (a, b) -> (a.1, b.2, a.3),
        arrayFilter((x, p) -> p.2 != x.1 OR p.3 != x.3, xs,
            arrayPopBack(arrayPushFront(xs, (toUInt32(0), toUInt32(0), '', false)))),
        arrayFilter((x, n) -> x.2 != n.1 OR x.3 != n.3, xs,
            arrayPopFront(arrayPushBack(xs, (toUInt32(0), toUInt32(0), '', false))))
    ) AS joined,
    (line, days) -> joined(reaches(line, days)) AS spans,
    -- intervals to their ends (day, +1 or -1): of each, and of their union (a start before an end on the same day)
    (xs) -> arraySort(x -> (x.1, -x.2), arrayConcat(
        arrayMap(x -> (x.1, toInt8(1)), arrayFilter(x -> x.2 > x.1, xs)),
        arrayMap(x -> (x.2, toInt8(-1)), arrayFilter(x -> x.2 > x.1, xs))
    )) AS ends,
    (xs) -> arrayFilter(
        (x, depth) -> (x.2 = 1 AND depth = 1) OR (x.2 = -1 AND depth = 0), xs, arrayCumSum(arrayMap(x -> x.2, xs))
    ) AS outer_ends,
    (level, slot, xs) -> arrayConcat(
        arrayMap(x -> (x.1, slot, x.3, level, toInt8(1)), xs), arrayMap(x -> (x.2, slot, x.3, level, toInt8(-1)), xs)
    ) AS of_slot,
    (level, app, xs) -> arrayMap(x -> (x.1, 'any', app, level, x.2), outer_ends(ends(xs))) AS of_any,
    (level, xs) -> arrayFlatten(arrayMap(
        app -> of_any(level, app, arrayFilter(x -> x.3 = app, xs)), arrayDistinct(arrayMap(x -> x.3, xs))
    )) AS of_any_app,

    spans(known(calls), 65535) AS calls_held,
    spans(known(other), 65535) AS other_held,
    spans(known(calls), silence) AS calls_reach,
    spans(known(other), silence) AS other_reach,
    spans(sent(calls), 7) AS calls_7,
    spans(sent(other), 7) AS other_7,
    spans(sent(calls), 30) AS calls_30,
    spans(sent(other), 30) AS other_30,
    arrayMap(x -> (toUInt32(x.1), '*', true), reports) AS days
SELECT
    toDate(moved.1) AS day,
    moved.2 AS slot,
    moved.3 AS app_id,
    platform,
    moved.4 AS level,
    sum(moved.5) AS change
FROM {{database}}.churn_histories
ARRAY JOIN arrayConcat(
    of_slot('held', 'calls', calls_held), of_slot('held', 'other', other_held),
    of_slot('reach', 'calls', calls_reach), of_slot('reach', 'other', other_reach),
    of_slot('active_7', 'calls', calls_7), of_slot('active_7', 'other', other_7),
    of_slot('active_30', 'calls', calls_30), of_slot('active_30', 'other', other_30),
    of_any('held', '*', arrayConcat(calls_held, other_held)),
    of_any('reach', '*', arrayConcat(calls_reach, other_reach)),
    of_any('active_7', '*', spans(days, 7)),
    of_any('active_30', '*', spans(days, 30)),
    of_any_app('held', arrayConcat(calls_held, other_held)),
    of_any_app('reach', arrayConcat(calls_reach, other_reach)),
    of_any_app('active_7', arrayConcat(calls_7, other_7)),
    of_any_app('active_30', arrayConcat(calls_30, other_30))
) AS moved
WHERE moved.1 < 65535
GROUP BY day, slot, app_id, platform, level
HAVING change != 0;
