"""The history in ClickHouse: batches of the reports topic, exactly once."""
