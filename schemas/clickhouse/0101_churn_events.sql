-- Roll-up: how often each thing happened, by day, slot, app id and platform (docs/churn.md). Figures only: no selector
-- and no token is in it. `churn_events_now` computes it from the history; `pushtokens churn` and the dashboard
-- replace the whole table by that, in one step (processors/churn/rollup.py), so a repeated insert into `reports` that
-- ClickHouse drops cannot be counted twice, and late records and erasures are reflected.
--
-- what, of a slot (`calls`, `other`); its app id is the one after the event, of `removed` and `silent` the one lost:
--   registered, returned (after a removal), rotated, app_changed, unchanged: a report that carried the slot; exactly one;
--   imported: filled from an operator's file; removed: emptied by a removal;
--   joint: rotated, and the other slot rotated within 10 minutes; flapped: rotated from B back to A, at most
--   24 hours after it rotated from A to B; moved: rotated or app_changed from another, known app id (`app_id_before`);
--   silent: the day on which the slot's token had been confirmed by no report for 30 days (android: 270), and was
--   not removed before; woke: a report of the slot after such a silence;
--   active: the slot was reported on that day (under the app id of the day's last report).
-- what, of the selector (slot `any`; app id `*` for all, else reports that carry that app id):
--   changed, unchanged: a report that changed a pair or the account, or nothing;
--   active: at least one report on that day (app id: as of the slots);
--   reinstalled: its install id differs from the last one known; reinstalled_rotated: and a token changed with it.
CREATE TABLE IF NOT EXISTS {{database}}.churn_events {{on_cluster}}
(
    `day` Date,
    `slot` LowCardinality(String),
    `app_id` LowCardinality(String),
    `app_id_before` LowCardinality(String),
    `platform` LowCardinality(String),
    `what` LowCardinality(String),
    `number` UInt64
)
ENGINE = MergeTree
ORDER BY (what, slot, app_id, day);

CREATE VIEW IF NOT EXISTS {{database}}.churn_events_now {{on_cluster}}
AS WITH
    if(platform = 'android', 270, 30) AS silence,
    (xs) -> arrayPopFront(arrayPushBack(xs, (toUInt16(65535), toInt64(0), toUInt64(0), toUInt64(0), '', '', ''))) AS following,
    (xs) -> arrayPopBack(arrayPushFront(xs, (toUInt16(0), toInt64(0), toUInt64(0), toUInt64(0), '', '', ''))) AS previous,
    (line) -> arrayFilter(x -> x.7 = 'rotated', line).2 AS rotations,
    (line) -> arrayFilter(x -> x.7 NOT IN ('unchanged', 'app_changed'), line) AS turns,
    (line) -> arrayFilter(x -> x.7 NOT IN ('removed', 'imported'), line) AS sent,
    (line) -> arrayFilter((x, n) -> n.1 != x.1, sent(line), following(sent(line))) AS last_of_day,
    (slot, xs, what) -> arrayMap(x -> (x.1, slot, x.5, '', what), xs) AS named,
    (slot, line, rest) -> arrayConcat(
        arrayMap(x -> (x.1, slot, x.5, '', x.7), line),
        arrayMap(
            x -> (x.1, slot, x.5, x.6, 'moved'),
            arrayFilter(x -> x.7 IN ('rotated', 'app_changed') AND x.5 != x.6 AND x.5 != '' AND x.6 != '', line)
        ),
        named(slot, arrayFilter(
            x -> x.7 = 'rotated' AND arrayExists(t -> abs(t - x.2) <= 600000, rotations(rest)), line), 'joint'),
        named(slot, arrayFilter(
            (x, p) -> x.7 = 'rotated' AND p.7 = 'rotated' AND x.3 = p.4 AND x.2 - p.2 <= 86400000,
            turns(line), previous(turns(line))), 'flapped'),
        arrayMap(
            x -> (toUInt16(least(x.1 + silence, 65535)), slot, x.5, '', 'silent'),
            arrayFilter((x, n) -> x.3 > 1 AND n.1 > x.1 + silence, line, following(line))
        ),
        named(slot, arrayFilter((x, p) -> x.3 > 1 AND p.3 > 1 AND x.1 > p.1 + silence, line, previous(line)), 'woke'),
        named(slot, last_of_day(line), 'active')
    ) AS of_slot,
    arrayFlatten(arrayMap(
        x -> arrayMap(app -> (x.1, 'any', app, '', if(x.2, 'changed', 'unchanged')), arrayPushBack(x.3, '*')), reports
    )) AS answers,
    arrayDistinct(arrayConcat(
        arrayMap(x -> (x.1, 'any', '*', '', 'active'), reports),
        named('any', last_of_day(calls), 'active'),
        named('any', last_of_day(other), 'active')
    )) AS presence,
    arrayFlatten(arrayMap(
        x -> arrayMap(app -> (x.1, 'any', app, '', 'reinstalled'), arrayPushBack(x.3, '*')), arrayFilter(x -> x.4, reports)
    )) AS reinstalls,
    arrayFlatten(arrayMap(
        x -> arrayMap(app -> (x.1, 'any', app, '', 'reinstalled_rotated'), arrayPushBack(x.3, '*')),
        arrayFilter(x -> x.4 AND x.5, reports)
    )) AS renewed
SELECT
    toDate(happened.1) AS day,
    happened.2 AS slot,
    happened.3 AS app_id,
    happened.4 AS app_id_before,
    platform,
    happened.5 AS what,
    count() AS number
FROM {{database}}.churn_histories
ARRAY JOIN arrayConcat(
    of_slot('calls', calls, other), of_slot('other', other, calls), answers, presence, reinstalls, renewed
) AS happened
GROUP BY day, slot, app_id, app_id_before, platform, what;
