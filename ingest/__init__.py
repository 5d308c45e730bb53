"""The public HTTP endpoint: templates, validation, and publishing to Kafka."""
