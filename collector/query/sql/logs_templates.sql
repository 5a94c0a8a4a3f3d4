-- Every template that the selected records' texts follow.
SELECT DISTINCT regexp_replace(left(l.body, $longest), $mask, $replacement, 'g') AS template
FROM logs AS l
WHERE l.tenant = $tenant AND l.time_ns >= $start_ns AND l.time_ns < $end_ns AND /*filter*/
