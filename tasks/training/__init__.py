"""Training a candidate: plan, dataset, fit, comparison with baselines, MLflow, and publication."""
