-- Token lifetime: the part of tokens that live longer than `age` days, by cohort (Kaplan-Meier, right-censored).
-- A life begins with the record that brought the token into the slot and ends with the rotation or removal that took it
-- out. A token still there is censored at the last record that confirmed it. age: whole days (24 h).
-- cohort: the Monday of the week in which it arrived; `weeks` of them in one cohort, counted from {from} (0: all in one).
-- at_risk: tokens whose life was observed for at least `age` days; ended: of these, ended at that age;
-- survival: the product of 1 - ended / at_risk over all ages up to this one. Rows only for ages at which something ended or was censored.
SELECT
    cohort,
    age,
    at_risk,
    ended,
    exp(sum(log(1 - ended / at_risk)) OVER (PARTITION BY cohort ORDER BY age)) AS survival
FROM
(
    SELECT
        toMonday({from:Date}) + 7 * if(
            {weeks:UInt16} = 0,
            0,
            intDiv(intDiv(week - toMonday({from:Date}), 7), greatest({weeks:UInt16}, 1)) * {weeks:UInt16}
        ) AS cohort,
        age,
        sum(churn_lifetimes.ended) AS ended,
        sum(sum(churn_lifetimes.ended + censored)) OVER (PARTITION BY cohort ORDER BY age DESC) AS at_risk
    FROM churn_lifetimes
    WHERE week BETWEEN toMonday({from:Date}) AND {to:Date}
        AND ({slot:String} = '' OR slot = {slot:String})
        AND ({app_id:String} = '' OR app_id = {app_id:String})
        AND ({platform:String} = '' OR platform = {platform:String})
    GROUP BY cohort, age
)
ORDER BY cohort, age
