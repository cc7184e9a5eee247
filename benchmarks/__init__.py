"""One file a claim. Each prints one JSON object as its last line and keeps it in `results/`."""
