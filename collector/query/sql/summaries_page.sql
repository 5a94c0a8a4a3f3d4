-- A page of the matching traces, newest first, one more if there is one; $after_*: the last of the page before.
SELECT * FROM (SELECT trace_hi, trace_lo, first_ns, duration_ns, /*key*/ AS key FROM matched AS t)
WHERE $first_page OR (key, trace_hi, trace_lo) < ($after_key, $after_hi, $after_lo)
ORDER BY key DESC, trace_hi DESC, trace_lo DESC
LIMIT $limit + 1
