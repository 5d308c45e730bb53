"""The contracts: record types, topics, settings and DDL. Importing this package needs msgspec only."""
