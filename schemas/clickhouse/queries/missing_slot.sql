-- Missing slot: of the selectors that hold any token at the end of the day, the part whose calls (other) slot is empty.
-- One row a day and slot. selectors: hold at least one token; missing: hold none in this slot; ratio: missing / selectors.
-- The two slots mostly have different app ids, so an app id makes no difference here.
SELECT
    day,
    slot,
    sum(sum(any_change)) OVER (PARTITION BY slot ORDER BY day) AS selectors,
    sum(sum(any_change - slot_change)) OVER (PARTITION BY slot ORDER BY day) AS missing,
    if(selectors = 0, NULL, missing / selectors) AS ratio
FROM
(
    SELECT
        greatest(day, {from:Date}) AS day,
        arrayJoin(if(slot = 'any', ['calls', 'other'], [toString(slot)])) AS slot,
        if(churn_levels.slot = 'any', change, 0) AS any_change,
        if(churn_levels.slot = 'any', 0, change) AS slot_change
    FROM churn_levels
    WHERE level = 'held' AND day <= {to:Date} AND (churn_levels.slot != 'any' OR app_id = '*')
        AND ({platform:String} = '' OR platform = {platform:String})
    UNION ALL
    SELECT {from:Date} + number, arrayJoin(['calls', 'other']), 0, 0
    FROM numbers(toUInt64(greatest(0, dateDiff('day', {from:Date}, {to:Date}) + 1)))
)
WHERE {slot:String} = '' OR slot = {slot:String}
GROUP BY day, slot
ORDER BY day, slot
