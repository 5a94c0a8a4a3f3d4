-- Selected records over time by severity number, from the counts per minute; the parts of a minute at both ends
-- of the range are counted from the records.
SELECT (l.minute_ns - $origin_ns) // $step_ns AS bucket, l.severity::INTEGER AS severity, sum(l.records)::BIGINT AS records
FROM (SELECT *, '' AS severity_text FROM log_counts) AS l
WHERE l.tenant = $tenant AND l.minute_ns >= $first_ns AND l.minute_ns < $last_ns AND /*filter*/
GROUP BY ALL
UNION ALL
SELECT (l.time_ns - $origin_ns) // $step_ns, /*severity*/, count(*)
FROM logs AS l
WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns
    AND (l.time_ns < $first_ns OR l.time_ns >= $last_ns)
    AND /*filter*/
GROUP BY ALL
