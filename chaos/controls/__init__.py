"""What accompanies an experiment from its start to its end."""
