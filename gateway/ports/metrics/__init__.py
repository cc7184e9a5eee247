"""The metrics at `/metrics` of the operate port; `page.py` has the whole page, each other file a group of metrics."""
