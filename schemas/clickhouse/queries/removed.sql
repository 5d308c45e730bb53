-- Removed: slots that a removal emptied. Rows: day, slot, app id (of the token lost); only where any.
-- A removal empties both slots, unless it names a token that is not the slot's last: then only what it names.
SELECT
    day,
    slot,
    app_id,
    sum(number) AS number
FROM churn_events
WHERE what = 'removed' AND day BETWEEN {from:Date} AND {to:Date}
    AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
    AND ({app_id:String} = '' OR app_id = {app_id:String})
    AND ({platform:String} = '' OR platform = {platform:String})
GROUP BY day, slot, app_id
ORDER BY day, slot, app_id
