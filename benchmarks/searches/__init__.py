"""Parameter searches compared: rows to search on, and the searches of libraries."""
