"""Who may report: one gate for each template that asks (docs/security.md)."""
