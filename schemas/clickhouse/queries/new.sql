-- New: slots that a report filled for the first time in the selector's history. Rows: day, slot, app id; only where any.
-- Imported tokens are not new, and a slot that a removal emptied returns (see resurrection).
SELECT
    day,
    slot,
    app_id,
    sum(number) AS number
FROM churn_events
WHERE what = 'registered' AND day BETWEEN {from:Date} AND {to:Date}
    AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
    AND ({app_id:String} = '' OR app_id = {app_id:String})
    AND ({platform:String} = '' OR platform = {platform:String})
GROUP BY day, slot, app_id
ORDER BY day, slot, app_id
