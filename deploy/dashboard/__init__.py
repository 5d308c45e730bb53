"""The churn pages on port 8088."""
