"""What operators deploy beside the system: Prometheus rules, Grafana dashboards, and the page that documents them."""
