-- Resurrection: slots that came back. One row a day. after_removal: a report filled a slot that a removal had emptied.
-- after_silence: a report of a slot whose token no record had confirmed for 30 days (android: 270), so that it counted as
-- silently dead.
SELECT
    day,
    sumIf(number, what = 'returned') AS after_removal,
    sumIf(number, what = 'woke') AS after_silence
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
