-- Rotated: reports that brought another token than the slot held. Rows: day, slot, app id (of the new token); only where any.
SELECT
    day,
    slot,
    app_id,
    sum(number) AS number
FROM churn_events
WHERE what = 'rotated' AND day BETWEEN {from:Date} AND {to:Date}
    AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
    AND ({app_id:String} = '' OR app_id = {app_id:String})
    AND ({platform:String} = '' OR platform = {platform:String})
GROUP BY day, slot, app_id
ORDER BY day, slot, app_id
