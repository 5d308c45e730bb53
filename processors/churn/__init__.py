"""Churn analytics: the metrics, their filters, and the roll-ups they are answered from (docs/churn.md)."""
