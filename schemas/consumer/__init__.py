"""For the teams downstream: typed messages, a copy of `latest`, repeated changes. No Kafka client: bring your own.

Needs msgspec only, as all of `schemas`. What the topics promise is in docs/consume.md; `examples/` shows these at work.
"""
