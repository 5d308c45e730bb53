-- Joint or single-slot rotation. One row a day. rotated: tokens replaced by another one. joint: of these, those whose
-- selector's other slot rotated too, at most 10 minutes before or after: both at once is what a reinstall or a restored
-- phone looks like. single: the other slot kept its token, as when a push service renews one.
SELECT
    day,
    sumIf(number, what = 'rotated') AS rotated,
    sumIf(number, what = 'joint') AS joint,
    rotated - joint AS single
FROM
(
    SELECT day, what, number
    FROM churn_events
    WHERE day BETWEEN {from:Date} AND {to:Date}
        AND slot != 'any' AND ({slot:String} = '' OR slot = {slot:String})
        AND ({app_id:String} = '' OR app_id = {app_id:String})
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, '', 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
GROUP BY day
ORDER BY day
