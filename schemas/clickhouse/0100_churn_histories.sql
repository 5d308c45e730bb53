-- What the churn figures stand on (docs/churn.md): the history of each selector as arrays, one element a record.
--
-- A history is ordered by received_at (ties: by Kafka's offset), so late records, imports with the file's own times and
-- the records of an earlier log stand where they happened. Rows count as they are: the sink writes each record once.
-- A token is compared inside its own selector only, by a 64-bit hash; 0 stands for absent, 1 for "emptied".
--
-- `calls` and `other` hold, for each record that touched the slot, (day, at, event, before, app_id, app_id_before, kind):
--   day, at: days and milliseconds since 1970-01-01 (UTC);
--   event: the token reported, or 1 where a removal emptied the slot; before: the event before it, 0 if none;
--   app_id: of the token; a report without one leaves its token's as it was;
--   kind: what the record did, see below.
-- A removal empties both slots, unless it names a token that is not the last one of its slot: then its sender did not
-- know the newer one, and it empties only the slots whose last token it names. Emptying an empty slot is nothing.
-- An import counts for a slot only as the first record that touches the slot.
-- `reports` holds, for each report that an app sent itself, (day, changed, app ids carried, reinstalled, rotated).
--
-- `platform` belongs to the selector: ios if any report has a calls app id that ends in .pushkit or .voip, or an Apple
-- user agent; else android if any has an Android user agent, or one token for both slots; else unknown.
CREATE VIEW IF NOT EXISTS {{database}}.churn_histories {{on_cluster}}
AS WITH
    (xs, first) -> arrayPopBack(arrayPushFront(xs, first)) AS shifted,
    (reported) -> shifted(arrayFill(x -> x != 0, reported), 0) AS lasts,
    (named, removal, filed) -> arrayMap(
        (token, gone, file, touches) -> if(gone OR (file AND touches > 1), 0, token),
        named, removal, filed, arrayCumSum(arrayMap((gone, token) -> gone OR token != 0, removal, named))
    ) AS reported,
    (reports, named, last, removal, partly) -> arrayMap(
        (token, name, had, gone, part) -> if(gone, toUInt64(had != 0 AND (NOT part OR name = had)), token),
        reports, named, last, removal, partly
    ) AS events,
    (app, event, before) -> arrayFill(
        (x, e, b) -> e > 1 AND (x != '' OR e != b), app, event, before
    ) AS apps,
    (day, at, event, before, app, filed) -> arrayMap(
        (d, t, e, b, a, previous, file) -> (d, t, e, b, a, previous, multiIf(
            e = 1, 'removed', file, 'imported', b = 0, 'registered', b = 1, 'returned', e != b, 'rotated',
            a != previous, 'app_changed', 'unchanged')),
        day, at, event, before, app, shifted(app, ''), filed
    ) AS lines,
    (line) -> arrayFilter(x -> x.3 > 1 OR (x.3 = 1 AND x.4 > 1), line) AS touched,

    history.1 AS at,
    arrayMap(t -> toUInt16(intDiv(t, 86400000)), at) AS day,
    history.3 AS removal,
    history.4 AS filed,
    reported(history.5, removal, filed) AS calls_reported,
    reported(history.6, removal, filed) AS other_reported,
    lasts(calls_reported) AS calls_last,
    lasts(other_reported) AS other_last,
    arrayMap(
        (calls, calls_had, other, other_had) ->
            (calls != 0 AND calls_had != 0 AND calls != calls_had) OR (other != 0 AND other_had != 0 AND other != other_had),
        history.5, calls_last, history.6, other_last
    ) AS partly,
    events(calls_reported, history.5, calls_last, removal, partly) AS calls_event,
    events(other_reported, history.6, other_last, removal, partly) AS other_event,
    lasts(calls_event) AS calls_before,
    lasts(other_event) AS other_before,
    lines(day, at, calls_event, calls_before, apps(history.7, calls_event, calls_before), filed) AS calls_line,
    lines(day, at, other_event, other_before, apps(history.8, other_event, other_before), filed) AS other_line
SELECT
    selector,
    platform,
    touched(calls_line) AS calls,
    touched(other_line) AS other,
    arrayFilter((x, gone, file) -> NOT gone AND NOT file, arrayMap(
        (c, o, install, had_install, account, had_account) -> (
            c.1,
            (c.3 > 1 AND c.7 != 'unchanged') OR (o.3 > 1 AND o.7 != 'unchanged')
                OR (account != 0 AND account != had_account),
            arrayDistinct(arrayConcat(if(c.3 > 1, [c.5], []), if(o.3 > 1, [o.5], []))),
            install != 0 AND had_install != 0 AND install != had_install,
            (c.3 > 1 AND c.7 = 'rotated') OR (o.3 > 1 AND o.7 = 'rotated')
        ),
        calls_line, other_line, history.9, lasts(history.9), history.10, lasts(history.10)
    ), removal, filed) AS reports
FROM
(
    SELECT
        selector,
        arraySort(groupArray((
            toUnixTimestamp64Milli(received_at),
            kafka_offset,
            kind = 'removal',
            origin = 'import',
            if(calls_token = '', toUInt64(0), greatest(cityHash64(calls_token), 2)),
            if(other_token = '', toUInt64(0), greatest(cityHash64(other_token), 2)),
            toString(calls_app_id),
            toString(other_app_id),
            if(install_id = '', toUInt64(0), greatest(cityHash64(install_id), 1)),
            if(username = '', toUInt64(0), greatest(cityHash64(username), 1))
        ))) AS history,
        ['unknown', 'android', 'ios'][1 + max(multiIf(
            match(calls_app_id, '\\.(pushkit|voip)$') OR match(user_agent, 'iPhone|iPad|iOS|Darwin'), 2,
            (calls_token != '' AND calls_token = other_token) OR match(user_agent, 'Android|okhttp|Dalvik'), 1,
            0
        ))] AS platform
    FROM {{database}}.reports
    WHERE kind = 'report' OR (kind = 'removal' AND origin != 'import')
    GROUP BY selector
);
