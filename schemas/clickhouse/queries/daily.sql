-- Day by day and slot: what happened to tokens. One row a day and slot, days without anything included.
-- day: a UTC calendar day. active: selectors whose app reported the slot on that day. new: slots filled for the first
-- time; returned: filled again after a removal; rotated: another token than before; removed: emptied by a removal;
-- silent: tokens that on that day had been confirmed by no record for 30 days (android: 270).
SELECT
    day,
    slot,
    sumIf(number, what = 'active') AS active,
    sumIf(number, what = 'registered') AS new,
    sumIf(number, what = 'returned') AS returned,
    sumIf(number, what = 'rotated') AS rotated,
    sumIf(number, what = 'removed') AS removed,
    sumIf(number, what = 'silent') AS silent
FROM
(
    SELECT day, slot, what, number
    FROM churn_events
    WHERE day BETWEEN {from:Date} AND {to:Date}
        AND slot != 'any'
        AND ({app_id:String} = '' OR app_id = {app_id:String})
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, arrayJoin(['calls', 'other']), '', 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
WHERE {slot:String} = '' OR slot = {slot:String}
GROUP BY day, slot
ORDER BY day, slot
