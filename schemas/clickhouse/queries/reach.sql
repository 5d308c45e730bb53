-- Reach: how many selectors can still be pushed to at the end of each day. One row a day.
-- held: selectors whose slot holds a token (reported or imported, not removed since). reachable: and a record of the last
-- 30 days (android: 270, when FCM ends a registration), that day included, confirmed that token. share: reachable / held.
-- Without a slot: in at least one of both. With an app id: counting only tokens with that app id.
WITH
    if({slot:String} = '', 'any', {slot:String}) AS chosen_slot,
    multiIf({app_id:String} != '', {app_id:String}, {slot:String} = '', '*', '') AS chosen_app
SELECT
    day,
    sum(sum(holding)) OVER (ORDER BY day) AS held,
    sum(sum(reaching)) OVER (ORDER BY day) AS reachable,
    if(held = 0, NULL, reachable / held) AS share
FROM
(
    SELECT greatest(day, {from:Date}) AS day, if(level = 'held', change, 0) AS holding, if(level = 'reach', change, 0) AS reaching
    FROM churn_levels
    WHERE level IN ('held', 'reach') AND day <= {to:Date}
        AND slot = chosen_slot AND (chosen_app = '' OR app_id = chosen_app)
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, 0, 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
GROUP BY day
ORDER BY day
