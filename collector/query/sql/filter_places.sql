-- Where are the values of these attribute keys: shape, position and type, and do resources have such shapes?
SELECT DISTINCT
    wanted.key,
    shapes.shape,
    list_position(shapes.keys, wanted.key) AS position,
    shapes.types[list_position(shapes.keys, wanted.key)] AS type,
    shapes.shape IN (SELECT shape FROM resources) AS of_resource
FROM (SELECT unnest($keys::VARCHAR[]) AS key) AS wanted
JOIN shapes ON list_contains(shapes.keys, wanted.key)
