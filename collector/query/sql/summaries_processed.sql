-- How many traces lie between the page before and the last one of a page, whatever they are asked.
WITH whole AS (
    SELECT trace_hi, trace_lo, min(first_ns) AS first_ns, max(last_ns) AS last_ns
    FROM trace_index
    WHERE tenant = $tenant AND last_ns >= $before_ns AND first_ns < $reach_ns
    GROUP BY trace_hi, trace_lo
),
t AS (
    SELECT trace_hi, trace_lo, first_ns, greatest(last_ns - greatest(first_ns, 0), 0) AS duration_ns
    FROM whole
    WHERE first_ns >= $start_ns AND first_ns < $end_ns
)
SELECT count(*) AS traces
FROM (SELECT trace_hi, trace_lo, /*key*/ AS key FROM t WHERE /*filter*/)
WHERE
    ($first_page OR (key, trace_hi, trace_lo) < ($after_key, $after_hi, $after_lo))
    AND (key > $last_key OR (key = $last_key AND (trace_hi, trace_lo) >= ($last_hi, $last_lo)))
