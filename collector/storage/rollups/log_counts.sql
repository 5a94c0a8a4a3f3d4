-- Records per minute, group, service and range of severity.

-- name: roll
INSERT INTO live_logs.log_counts
SELECT
    $until, tenant, time_ns // 60000000000 * 60000000000 AS minute_ns, log_group, service,
    CASE WHEN severity = 0 THEN 0 ELSE (least(severity, 24) - 1) // 4 * 4 + 1 END::UTINYINT AS level, count(*)
FROM logs
WHERE seq > $after AND seq <= $until
GROUP BY ALL;

-- name: flush
INSERT INTO log_counts
SELECT $until, tenant, minute_ns, log_group, service, severity, sum(records)
FROM live_logs.log_counts
WHERE seq > $after
GROUP BY ALL
ORDER BY minute_ns, log_group, service, severity;
