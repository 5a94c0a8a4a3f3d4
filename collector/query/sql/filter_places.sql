-- Where are the values of these attribute keys: shape, position and type, and what has such shapes?
-- A shape of resources counts as one of items too, unless no item was ever seen with the key.
SELECT
    *,
    NOT of_resource OR key IN (SELECT key FROM attribute_keys WHERE place = 'item') AS of_item
FROM (
    SELECT DISTINCT
        wanted.key,
        shapes.shape,
        list_position(shapes.keys, wanted.key) AS position,
        shapes.types[list_position(shapes.keys, wanted.key)] AS type,
        shapes.shape IN (SELECT shape FROM resources) AS of_resource
    FROM (SELECT unnest($keys::VARCHAR[]) AS key) AS wanted
    JOIN shapes ON list_contains(shapes.keys, wanted.key)
)
