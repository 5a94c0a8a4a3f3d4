-- Records per minute, group, service and range of severity; a severity that is not given is read from its text,
-- as collector/levels.py has it.

-- name: roll
INSERT INTO live_logs.log_counts
SELECT
    $until, tenant, time_ns // 60000000000 * 60000000000 AS minute_ns, log_group, service,
    CASE
        WHEN severity > 0 THEN (least(severity, 24) - 1) // 4 * 4 + 1
        ELSE CASE lower(left(ltrim(severity_text), 3))
            WHEN 'tra' THEN 1 WHEN 'ver' THEN 1 WHEN 'fin' THEN 1
            WHEN 'deb' THEN 5 WHEN 'dbg' THEN 5
            WHEN 'inf' THEN 9 WHEN 'not' THEN 9
            WHEN 'war' THEN 13
            WHEN 'err' THEN 17 WHEN 'sev' THEN 17 WHEN 'cri' THEN 17 WHEN 'ale' THEN 17
            WHEN 'fat' THEN 21 WHEN 'eme' THEN 21 WHEN 'pan' THEN 21
            ELSE 0
        END
    END::UTINYINT AS level,
    count(*)
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
