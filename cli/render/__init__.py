"""Reports as tables and panels for people: one renderer per kind of report, and the parts that they share."""
