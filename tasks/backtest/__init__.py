"""Backtest: retraining policies replayed on the pipeline's own history, by the functions that the flows call."""
