-- Flapping: a slot that rotated from A to B and then back to A within 24 hours of B's arrival, with nothing in between but
-- reports that changed no token. Rows: day of the return to A, slot, app id; only where any.
SELECT
    day,
    slot,
    app_id,
    sum(number) AS number
FROM churn_events
WHERE what = 'flapped' AND day BETWEEN {from:Date} AND {to:Date}
    AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
    AND ({app_id:String} = '' OR app_id = {app_id:String})
    AND ({platform:String} = '' OR platform = {platform:String})
GROUP BY day, slot, app_id
ORDER BY day, slot, app_id
