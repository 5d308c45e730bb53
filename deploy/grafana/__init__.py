"""The Grafana boards, written from code: `python -m deploy.grafana.write [--check]`."""
