-- Selected records over time by severity number, from the records themselves.
SELECT (l.time_ns - $origin_ns) // $step_ns AS bucket, /*severity*/ AS severity, count(*) AS records
FROM logs AS l
WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns AND /*filter*/
GROUP BY ALL
