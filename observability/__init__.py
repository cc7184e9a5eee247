"""Log lines, output and spans of every service: what both planes need to be observed."""
