"""What the experiments do, one step a file. Each finds the stack from the experiment's configuration."""
