"""The data plane: answers predictions without the control plane.

The router process does I/O only and imports no model library; each model version lives in a worker process of its own.
"""
