-- Active selectors: how many selectors an app reported for on that day (active_1), in the 7 days up to and including it
-- (active_7), in the 30 days (active_30). One row a day.
-- day: a UTC calendar day of received_at. Active: at least one report of kind `report` sent by an app itself (not imported).
-- With a slot: reports that carried a token for that slot, under the app id of the newest of them.
-- With an app id and no slot: reports that carried that app id in either slot, likewise.
WITH
    if({slot:String} = '', 'any', {slot:String}) AS chosen_slot,
    multiIf({app_id:String} != '', {app_id:String}, {slot:String} = '', '*', '') AS chosen_app
SELECT
    day,
    sum(one) AS active_1,
    sum(sum(seven)) OVER (ORDER BY day) AS active_7,
    sum(sum(thirty)) OVER (ORDER BY day) AS active_30
FROM
(
    SELECT day, toInt64(number) AS one, 0 AS seven, 0 AS thirty
    FROM churn_events
    WHERE what = 'active' AND day BETWEEN {from:Date} AND {to:Date}
        AND slot = chosen_slot AND (chosen_app = '' OR app_id = chosen_app)
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT greatest(day, {from:Date}), 0, if(level = 'active_7', change, 0), if(level = 'active_30', change, 0)
    FROM churn_levels
    WHERE level IN ('active_7', 'active_30') AND day <= {to:Date}
        AND slot = chosen_slot AND (chosen_app = '' OR app_id = chosen_app)
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, 0, 0, 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
GROUP BY day
ORDER BY day
