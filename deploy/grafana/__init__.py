"""Grafana dashboards as code: `python -m deploy.grafana.write` writes the JSON beside it."""
