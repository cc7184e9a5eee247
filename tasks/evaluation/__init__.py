"""Comparing predictions with labels: labels, losses, scores, and the statistics that training and monitoring share."""
