-- Stale ratio: of the tokens held at the end of each day, the part that no record confirmed in the last 30 days (android:
-- 270, when FCM ends a registration), that day included. One row a day and slot.
-- held: slots that hold a token (not removed); stale: those not confirmed; ratio: stale / held.
SELECT
    day,
    slot,
    sum(sum(holding)) OVER (PARTITION BY slot ORDER BY day) AS held,
    sum(sum(holding - reaching)) OVER (PARTITION BY slot ORDER BY day) AS stale,
    if(held = 0, NULL, stale / held) AS ratio
FROM
(
    SELECT
        greatest(day, {from:Date}) AS day,
        slot,
        if(level = 'held', change, 0) AS holding,
        if(level = 'reach', change, 0) AS reaching
    FROM churn_levels
    WHERE level IN ('held', 'reach') AND day <= {to:Date} AND slot != 'any'
        AND ({app_id:String} = '' OR app_id = {app_id:String})
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, arrayJoin(['calls', 'other']), 0, 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
WHERE {slot:String} = '' OR slot = {slot:String}
GROUP BY day, slot
ORDER BY day, slot
