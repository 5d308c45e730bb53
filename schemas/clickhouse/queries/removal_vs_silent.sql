-- Removal against silent death. One row a day. removed: slots emptied by a removal (log-out). silent: tokens that on
-- that day had been confirmed by no record for 30 days (android: 270) and were not removed before: uninstalled or
-- forgotten phones, which never say so. silent_share: silent / (removed + silent).
SELECT
    day,
    sumIf(number, what = 'removed') AS removed,
    sumIf(number, what = 'silent') AS silent,
    if(removed + silent = 0, NULL, silent / (removed + silent)) AS silent_share
FROM
(
    SELECT day, what, number
    FROM churn_events
    WHERE day BETWEEN {from:Date} AND {to:Date}
        AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
        AND ({app_id:String} = '' OR app_id = {app_id:String})
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, '', 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
GROUP BY day
ORDER BY day
