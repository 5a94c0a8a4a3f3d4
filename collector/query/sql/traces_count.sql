-- How many traces match.
, answer AS (
    SELECT count(*) AS traces FROM matched
)
FROM answer
