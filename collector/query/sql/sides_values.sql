-- How many traces of two sets have which values of some fields; The marked place tells the values of each field.
, light AS MATERIALIZED (
    SELECT trace_hi, trace_lo, services, root_name, root_method, root_status, outcome, a, b FROM sided WHERE a OR b
),
members AS (
    /*members*/
),
amounts AS (
    SELECT count(*) FILTER (a) AS all_a, count(*) FILTER (b) AS all_b FROM light
),
counted AS (
    SELECT field, value, count(*) FILTER (a) AS a, count(*) FILTER (b) AS b
    FROM members JOIN light USING (trace_hi, trace_lo)
    GROUP BY field, value
),
shared AS (
    SELECT *, a / greatest(all_a, 1) + b / greatest(all_b, 1) AS shares FROM amounts LEFT JOIN counted ON true
)
SELECT field, value, a, b, all_a, all_b, count(*) OVER (PARTITION BY field) AS different
FROM shared
QUALIFY row_number() OVER (PARTITION BY field ORDER BY shares DESC, value) <= $limit
ORDER BY field, shares DESC, value
