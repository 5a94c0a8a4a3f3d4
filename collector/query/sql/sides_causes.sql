-- Traces of two sets whose root causes are worth a look, told apart by `kind`: those with a fault somewhere, with an
-- error somewhere, with a response time. At most $sample of each kind and set by the hash of the id; `whole` is how many
-- there are.
, kinds AS (
    SELECT *, unnest(list_filter(
        [
            CASE WHEN faults > 0 THEN 'fault' END,
            CASE WHEN errors + throttles > 0 THEN 'error' END,
            CASE WHEN response_ns IS NOT NULL THEN 'responsetime' END
        ], lambda x: x IS NOT NULL
    )) AS kind
    FROM sided WHERE a OR b
)
SELECT
    kind, trace_hi, trace_lo, first_ns, duration_ns, a, b,
    count(*) FILTER (a) OVER (PARTITION BY kind) AS whole_a, count(*) FILTER (b) OVER (PARTITION BY kind) AS whole_b
FROM kinds
QUALIFY row_number() OVER (PARTITION BY kind, a, b ORDER BY hash(trace_lo, trace_hi), trace_hi, trace_lo) <= $sample
