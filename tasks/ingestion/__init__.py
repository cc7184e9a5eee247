"""A batch on its way into the lake, and what becomes of one that may not get in."""
