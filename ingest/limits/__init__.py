"""How often one selector, account or address may report (docs/ingress.md, "Rates")."""
