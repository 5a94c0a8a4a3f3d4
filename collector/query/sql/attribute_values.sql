-- Values and how often they occur, those that begin with the text first. The marked place tells a value for each item.
SELECT value, count(*) AS items
FROM (/*rows*/)
WHERE value <> '' AND contains(lower(value), lower($prefix)) AND length(value) <= 1024
GROUP BY value
ORDER BY starts_with(lower(value), lower($prefix)) DESC, items DESC, value
LIMIT $limit
