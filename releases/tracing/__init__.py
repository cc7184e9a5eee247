"""Spans, their place in a W3C trace, and their export over OTLP, the only part that loads OpenTelemetry."""
