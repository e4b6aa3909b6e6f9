"""What operators of Prometheus and Grafana are given, made of the same tables as `/metrics` and the alerts."""
