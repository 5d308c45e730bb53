"""The running compactor against real Kafka."""
