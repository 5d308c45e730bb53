"""The Grafana dashboard, written from the same query files: `python -m deploy.grafana.write [--check]`."""
