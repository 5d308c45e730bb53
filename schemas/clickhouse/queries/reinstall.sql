-- Reinstalls: reports whose install id differs from the last one known of the selector (it survives updates and is lost
-- on uninstall). One row a day. with_rotation: of these, the reports that also brought another token for a slot.
-- Of the selector, so a slot makes no difference; with an app id: reports that carried it in either slot.
SELECT
    day,
    sumIf(number, what = 'reinstalled') AS reinstalled,
    sumIf(number, what = 'reinstalled_rotated') AS with_rotation
FROM
(
    SELECT day, what, number
    FROM churn_events
    WHERE day BETWEEN {from:Date} AND {to:Date} AND slot = 'any'
        AND app_id = if({app_id:String} = '', '*', {app_id:String})
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, '', 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
GROUP BY day
ORDER BY day
