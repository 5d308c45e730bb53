"""Moving to topics with more partitions (docs/repartition.md)."""
