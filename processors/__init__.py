"""What reads the reports topic: the compactor and the ClickHouse sink."""
