-- How many traces lie between the page before and the last one of a page.
SELECT count(*) AS traces
FROM (SELECT trace_hi, trace_lo, /*key*/ AS key FROM matched AS t)
WHERE
    ($first_page OR (key, trace_hi, trace_lo) < ($after_key, $after_hi, $after_lo))
    AND (key > $last_key OR (key = $last_key AND (trace_hi, trace_lo) >= ($last_hi, $last_lo)))
