"""A history like an operator's, made inside ClickHouse; the churn benchmark and the browser tests look at it."""
