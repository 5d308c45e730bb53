-- Redundancy: the part of the reports that told nothing new. One row a day.
-- reports: sent by apps. unchanged: neither a token, an app id nor the account differed from what was known.
-- ratio: unchanged / reports. With a slot: reports that carried it, and whether its token and app id were known.
-- With an app id: only reports that carried it.
SELECT
    day,
    sum(number) AS reports,
    sumIf(number, what = 'unchanged') AS unchanged,
    if(reports = 0, NULL, unchanged / reports) AS ratio
FROM
(
    SELECT day, what, number
    FROM churn_events
    WHERE day BETWEEN {from:Date} AND {to:Date}
        AND what IN ('changed', 'unchanged', 'registered', 'returned', 'rotated', 'app_changed')
        AND slot = if({slot:String} = '', 'any', {slot:String})
        AND multiIf({app_id:String} != '', app_id = {app_id:String}, {slot:String} = '', app_id = '*', 1)
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, '', 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
GROUP BY day
ORDER BY day
