-- How many of the matching traces have which values of some fields; the marked place tells the values of each field.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, services, root_name, root_method, root_status, outcome FROM matched
),
members AS (
    /*members*/
),
counted AS (
    SELECT field, value, count(*) AS traces FROM members GROUP BY field, value
)
SELECT field, value, traces, count(*) OVER (PARTITION BY field) AS different
FROM counted
QUALIFY row_number() OVER (PARTITION BY field ORDER BY traces DESC, value) <= $limit OR list_contains($kept, value)
ORDER BY field, traces DESC, value
