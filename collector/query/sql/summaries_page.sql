-- A page of the matching traces, newest first, and how many traces of the range the page went over.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, first_ns, duration_ns, /*key*/ AS key FROM matched AS t
),
page AS MATERIALIZED (
    SELECT * FROM light
    WHERE $first_page OR (key, trace_hi, trace_lo) < ($after_key, $after_hi, $after_lo)
    ORDER BY key DESC, trace_hi DESC, trace_lo DESC
    LIMIT $limit
),
passed AS (
    SELECT count(*)::BIGINT AS scanned FROM t
    WHERE
        /*range*/ AND ($first_page OR /*key*/ <= $after_key)
        AND ((SELECT count(*) FROM page) < $limit OR /*key*/ >= (SELECT min(key) FROM page))
)
SELECT page.*, passed.scanned FROM passed LEFT JOIN page ON true
ORDER BY key DESC, trace_hi DESC, trace_lo DESC
