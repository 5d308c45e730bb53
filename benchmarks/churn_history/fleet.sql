-- `selectors` phones over `days` days that end with `last`; each reports `reports` times, less what would come after the
-- last day. Seeded: the same figures each time. Three in five stay to the end, the others leave, one in four of them with a
-- removal; a few log out in the middle. Six in ten are iPhones (two tokens), the rest Android (one token for both slots).
-- Tokens rotate now and then, alone or both at once with a new install id; brand acme moves to another app id, phone by
-- phone; one in fifty shares its phone with the next selector.
INSERT INTO reports
    (received_at, appended_at, kind, selector, username, calls_token, calls_app_id, other_token, other_app_id, install_id,
     user_agent, origin, reason, schema_version, id, log_id, kafka_partition, kafka_offset, kafka_partitions)
WITH
    {reports:UInt32} AS reports,
    toInt64({days:UInt32}) * 86400000 AS span,
    toInt64(toUnixTimestamp({last:Date} + 1)) * 1000 - span AS start,
    (what, modulo) -> toInt64(cityHash64({seed:UInt64}, what, s) % toUInt64(modulo)) AS drawn,
    cityHash64({seed:UInt64}, 'ios', if(s % 50 = 1, s - 1, s)) % 10 < 6 AS ios,
    start + drawn('born', intDiv(span, 100) * 99) AS born,
    if(drawn('stays', 5) < 3, start + span + drawn('last', 20 * 86400000), born + drawn('life', start + span - born)) AS gone,
    drawn('stays', 5) >= 3 AND drawn('says', 4) = 0 AS says_so,
    if(s % 50 = 1, s - 1, s) AS phone,
    ['acme', 'acme', 'blue', 'cedar', 'delta', 'echo'][1 + drawn('brand', 6)] AS brand,
    (what, version) -> base64Encode(concat(
        sipHash128(phone, what, version), sipHash128(what, phone, version),
        if(ios, '', repeat(toString(sipHash128(version, what, phone)), 5)))) AS token
SELECT
    fromUnixTimestamp64Milli(at, 'UTC') AS received_at,
    received_at AS appended_at,
    if((says_so AND k = reports) OR (k = intDiv(reports, 2) AND drawn('pauses', 30) = 0), 'removal', 'report') AS kind,
    concat(hex(SHA1(toString(s))), ':', hex(toUInt32(s))) AS selector,
    concat('user', toString(s)) AS username,
    if(kind = 'removal', '', token(if(ios, 'calls', 'one'), if(ios, calls_version, install_version))) AS calls_token,
    if(kind = 'removal', '', if(ios, concat(app, '.pushkit'), app)) AS calls_app_id,
    if(kind = 'removal' OR (ios AND ((k % 9 = 1 AND drawn('late', 4) = 0) OR drawn('never', 40) = 0)), '',
        token(if(ios, 'other', 'one'), if(ios, other_version, install_version))) AS other_token,
    if(other_token = '', '', app) AS other_app_id,
    toString(cityHash64(phone, install_version)) AS install_id,
    concat('Phone/', toString(3 + intDiv(at - start, 10368000000)), '.0 (', if(ios, 'iPhone; iOS 19', 'Android 16'), ')')
        AS user_agent,
    'app', '', 1,
    concat(toString(s), '-', toString(k)) AS id,
    'made' AS log_id,
    bitAnd(kafkaMurmurHash(selector), 2147483647) % 8 AS kafka_partition,
    toUInt64(at) * 64 + k AS kafka_offset,
    8
FROM
(
    SELECT
        number AS s,
        arrayMap(k -> cityHash64({seed:UInt64}, 'turn', s, k) % 1000, range(1, reports + 1)) AS turns,
        arrayJoin(arrayZip(
            range(1, reports + 1),
            arrayCumSum(arrayMap(t -> toUInt32(t < 25), turns)),
            arrayCumSum(arrayMap(t -> toUInt32(t < 12 OR t >= 985), turns)),
            arrayCumSum(arrayMap(t -> toUInt32(t < 12), turns))
        )) AS turn,
        turn.1 AS k,
        turn.2 AS calls_version,
        turn.3 AS other_version,
        turn.4 AS install_version,
        born + intDiv((gone - born) * (k - 1), greatest(toInt64(reports) - 1, 1))
            + toInt64(cityHash64({seed:UInt64}, 'at', s, k) % 43200000) AS at,
        start + intDiv(span, 10) * 7 + drawn('moves', intDiv(span, 4)) AS moves,
        concat('com.', brand, if(brand = 'acme' AND at > moves, '.phone2', '.phone')) AS app
    FROM numbers({selectors:UInt64})
)
WHERE at < start + span
