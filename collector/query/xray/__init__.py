"""X-Ray's questions: what its API answers, from the same spans that the pages are made of.

Each function is handed a reader and plain values and answers frozen values; the members of X-Ray's shapes are
written in dashboard/aws. Nothing here knows of HTTP, and SQL is in collector/query/sql/xray_*.sql.
"""
