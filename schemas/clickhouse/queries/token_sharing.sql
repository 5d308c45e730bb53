-- Token sharing: by how many selectors each token was reported between the two days, as on a phone with two accounts.
-- Rows: slot, selectors (how many report the token), tokens (how many tokens have that many). Reads the history itself.
-- A token counts in each slot by itself; imported reports count. With an app id: reports that carried it with the token.
SELECT
    slot,
    selectors,
    count() AS tokens
FROM
(
    SELECT slot, token, uniqExact(selector) AS selectors
    FROM reports
    ARRAY JOIN
        ['calls', 'other'] AS slot,
        [calls_token, other_token] AS token,
        [calls_app_id, other_app_id] AS app_id
    WHERE kind = 'report' AND token != ''
        AND received_at >= {from:Date} AND received_at < {to:Date} + 1
        AND ({slot:String} = '' OR slot = {slot:String})
        AND ({app_id:String} = '' OR app_id = {app_id:String})
        AND ({platform:String} = '' OR selector GLOBAL IN (
            SELECT selector FROM churn_histories WHERE platform = {platform:String}
        ))
    GROUP BY slot, token
)
GROUP BY slot, selectors
ORDER BY slot, selectors
