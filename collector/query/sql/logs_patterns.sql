-- The patterns of the selected records' texts: by template, severity number, service and part of the range.
-- Only the templates that most records follow, and how many templates there are.
WITH masked AS (
    SELECT
        regexp_replace(left(l.body, $longest), $mask, $replacement, 'g') AS template,
        (/*severity*/ + 3) // 4 AS level,
        l.service, l.time_ns, l.seq
    FROM logs AS l
    WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns AND /*filter*/
),
top AS (
    SELECT template, count(*) OVER () AS templates, sum(count(*)) OVER () AS scanned
    FROM masked
    GROUP BY template
    ORDER BY count(*) DESC, template
    LIMIT $limit
)
SELECT
    template, level, service, (time_ns - $origin_ns) // $step_ns AS bucket,
    count(*) AS records, min(time_ns) AS first_ns, max(time_ns) AS last_ns,
    arg_max(seq, time_ns) AS last_seq,
    any_value(templates) AS templates, any_value(scanned)::BIGINT AS scanned
FROM masked
JOIN top USING (template)
GROUP BY ALL
