-- The keys and types of these shapes.
SELECT DISTINCT ON (shape) shape, keys, types FROM shapes WHERE shape IN (SELECT unnest($ids::UBIGINT[]))
