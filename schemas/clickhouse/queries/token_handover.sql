-- Hand-over: tokens that a further selector begins to report. Rows: day of its first report, slot; only where any.
-- handed_over: no other selector that had the token before reported it from that moment on (another account on the
-- phone); shared: one still did (a second account). Reads the roll-up of token lifetimes.
-- A token counts in each slot by itself; imported reports count. The app id is that of the further selector's first
-- report of the token; the platform is the further selector's.
SELECT
    toDate(life.1) AS day,
    slot,
    countIf(NOT life.5) AS handed_over,
    countIf(life.5) AS shared
FROM
(
    SELECT
        slot,
        arraySort(groupArray((first, selector, last, app_id))) AS lives,
        arrayMap(
            (x, n) -> (x.1, x.2, x.3, x.4, arrayExists(y -> y.3 >= x.1, arraySlice(lives, 1, n - 1))),
            lives,
            arrayEnumerate(lives)
        ) AS judged
    FROM
    (
        SELECT
            slot,
            token,
            selector,
            min(first_seen) AS first,
            max(last_seen) AS last,
            argMin(app_id, (first_seen, app_id)) AS app_id
        FROM token_lifetimes_rollup
        WHERE ({slot:String} = '' OR slot = {slot:String})
            AND (slot, token) GLOBAL IN (
                SELECT slot, token
                FROM token_lifetimes_rollup
                WHERE {slot:String} = '' OR slot = {slot:String}
                GROUP BY slot, token
                HAVING min(selector) != max(selector)
            )
        GROUP BY slot, token, selector
    )
    GROUP BY slot, token
    HAVING length(lives) > 1
)
ARRAY JOIN arrayPopFront(judged) AS life
WHERE day BETWEEN {from:Date} AND {to:Date}
    AND ({app_id:String} = '' OR life.4 = {app_id:String})
    AND ({platform:String} = '' OR life.2 GLOBAL IN (SELECT selector FROM churn_histories WHERE platform = {platform:String}))
GROUP BY day, slot
ORDER BY day, slot
