"""The two ports: which path does what, who may, and the documents that say so."""
