-- The app ids in use: of the reports between the two days, how many carried each app id in each slot. Rows: slot, app id.
SELECT
    slot,
    app_id,
    sum(number) AS reports
FROM churn_events
WHERE what IN ('registered', 'returned', 'rotated', 'app_changed', 'unchanged') AND day BETWEEN {from:Date} AND {to:Date}
    AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
    AND ({app_id:String} = '' OR app_id = {app_id:String})
    AND ({platform:String} = '' OR platform = {platform:String})
GROUP BY slot, app_id
ORDER BY slot, reports DESC, app_id
