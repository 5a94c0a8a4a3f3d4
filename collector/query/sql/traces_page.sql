-- A page of the matching traces by one order, and how many match. $after_*: the last row of the page before.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, first_ns, /*key*/ AS key FROM matched
)
SELECT *, (SELECT count(*) FROM light)::BIGINT AS total
FROM light
WHERE $first_page OR (key, first_ns, trace_hi, trace_lo) < ($after_key, $after_ns, $after_hi, $after_lo)
ORDER BY key DESC, first_ns DESC, trace_hi DESC, trace_lo DESC
LIMIT $limit
