"""A TCP proxy that injects network faults, with the HTTP API of Toxiproxy.

The lab starts one in front of every dependency. The API is that of Toxiproxy 2, so a real Toxiproxy can replace it, and
existing clients can drive it. `python -m chaos.proxy --port 8474` starts it.
"""
