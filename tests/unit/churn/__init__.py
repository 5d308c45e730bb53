"""Churn figures and the pages that show them."""
