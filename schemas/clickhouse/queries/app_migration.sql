-- App-id migration: slots that went from one known app id to another, with a new token or with the same. Rows: day, slot,
-- app id before, app id after; only where any. An app id as filter: either of the two.
SELECT
    day,
    slot,
    app_id_before,
    app_id,
    sum(number) AS number
FROM churn_events
WHERE what = 'moved' AND day BETWEEN {from:Date} AND {to:Date}
    AND ({slot:String} = '' OR slot = {slot:String})
    AND ({app_id:String} = '' OR app_id = {app_id:String} OR app_id_before = {app_id:String})
    AND ({platform:String} = '' OR platform = {platform:String})
GROUP BY day, slot, app_id_before, app_id
ORDER BY day, slot, app_id_before, app_id
