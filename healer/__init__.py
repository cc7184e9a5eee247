"""The resident healer: a watchdog that repairs within seconds and needs neither Prefect nor MLflow to roll back.

`flows/heal.py` runs the same functions by hand, by event and every few minutes. Of all healers of a pipeline, one
leads.
"""
