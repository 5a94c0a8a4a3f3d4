-- A page of the matching traces, newest first, one more if there is one, and how many traces of the range lie
-- between the page before and the last of this one.
, page AS MATERIALIZED (
    SELECT * FROM (SELECT trace_hi, trace_lo, first_ns, duration_ns, /*key*/ AS key FROM matched AS t)
    WHERE $first_page OR (key, trace_hi, trace_lo) < ($after_key, $after_hi, $after_lo)
    ORDER BY key DESC, trace_hi DESC, trace_lo DESC
    LIMIT $limit + 1
),
last AS MATERIALIZED (
    SELECT key, trace_hi, trace_lo FROM page
    WHERE (SELECT count(*) FROM page) > $limit
    ORDER BY key DESC, trace_hi DESC, trace_lo DESC
    LIMIT 1 OFFSET $limit - 1
),
passed AS (
    SELECT count(*)::BIGINT AS scanned
    FROM t LEFT JOIN last ON true
    WHERE
        /*range*/
        AND ($first_page OR (/*key*/, t.trace_hi, t.trace_lo) < ($after_key, $after_hi, $after_lo))
        AND (last.key IS NULL OR (/*key*/, t.trace_hi, t.trace_lo) >= (last.key, last.trace_hi, last.trace_lo))
)
SELECT page.*, passed.scanned FROM passed LEFT JOIN page ON true
ORDER BY key DESC, trace_hi DESC, trace_lo DESC
