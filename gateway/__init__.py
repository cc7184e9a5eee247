"""The data plane: answers predictions, and needs nothing of the control plane to keep answering.

The router process does I/O only and imports no model library; each model version lives in a worker process of its own.
"""
