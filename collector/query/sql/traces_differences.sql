-- Which values are in how many traces of two sets, over a sample of each.
-- The marked places tell who is inside, and who is outside of those that are not inside.
-- Sampled traces are numbered, the inside ones first; `numbers` are those that have the value, where $pairs asks.
, sided AS MATERIALIZED (
    SELECT t.*, /*inside*/ AS inside, /*outside*/ AS other FROM matched AS t
),
amounts AS (
    SELECT count(*) FILTER (inside) AS inside, count(*) FILTER (other AND NOT inside) AS outside FROM sided
),
chosen AS (
    SELECT * FROM sided
    WHERE inside OR other
    QUALIFY row_number() OVER (PARTITION BY inside ORDER BY hash(trace_lo, trace_hi), trace_hi, trace_lo) <= $sample
),
sample AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY inside DESC, trace_hi, trace_lo) - 1 AS number FROM chosen
),
rows_of AS (
    SELECT s.trace_hi, s.trace_lo, s.resource_id, s.shape, s.attrs, s.peer
    FROM spans s SEMI JOIN sample USING (trace_hi, trace_lo)
    WHERE s.tenant = $tenant AND s.start_ns >= $start_ns AND s.start_ns < $reach_ns
),
texts AS (
    SELECT trace_hi, trace_lo, 'attr' AS place, unnest(keys) AS key, unnest(string_split(attrs, chr(31))) AS value
    FROM rows_of JOIN (SELECT DISTINCT ON (shape) shape, keys FROM shapes) USING (shape)
    UNION ALL
    SELECT trace_hi, trace_lo, 'resource', unnest(keys), unnest(string_split(attrs, chr(31)))
    FROM (SELECT DISTINCT trace_hi, trace_lo, resource_id FROM rows_of)
    JOIN (SELECT DISTINCT ON (resource_id) resource_id, shape, attrs FROM resources) USING (resource_id)
    JOIN (SELECT DISTINCT ON (shape) shape, keys FROM shapes) USING (shape)
),
named AS (
    SELECT trace_hi, trace_lo, 'outcome' AS field, ['ok', 'error', 'throttle', 'fault'][outcome + 1] AS value FROM sample
    UNION ALL
    SELECT trace_hi, trace_lo, 'service', unnest(services) FROM sample
    UNION ALL
    SELECT trace_hi, trace_lo, 'operation', root_name FROM sample
    UNION ALL
    SELECT trace_hi, trace_lo, 'http.status', root_status::VARCHAR FROM sample WHERE root_status <> 0
    UNION ALL
    SELECT trace_hi, trace_lo, 'http.method', root_method FROM sample
    UNION ALL
    SELECT e.trace_hi, e.trace_lo, 'exception', e.exception_type
    FROM span_events e SEMI JOIN sample USING (trace_hi, trace_lo)
    WHERE e.tenant = $tenant AND e.span_start_ns >= $start_ns AND e.span_start_ns < $reach_ns
    UNION ALL
    SELECT trace_hi, trace_lo, place || ' ' || key, value FROM texts WHERE length(value) <= 256
),
counted AS (
    SELECT
        field, value,
        count(DISTINCT number) FILTER (inside) AS inside,
        count(DISTINCT number) FILTER (NOT inside) AS outside,
        list(DISTINCT number) FILTER ($pairs) AS numbers
    FROM named JOIN sample USING (trace_hi, trace_lo)
    WHERE value <> ''
    GROUP BY field, value
)
SELECT
    counted.field, counted.value, counted.inside, counted.outside, counted.numbers,
    amounts.inside AS all_inside, amounts.outside AS all_outside,
    (SELECT count(*) FROM sample WHERE inside) AS seen_inside,
    (SELECT count(*) FROM sample WHERE NOT inside) AS seen_outside
FROM amounts LEFT JOIN counted ON counted.inside + counted.outside >= $least
