"""The actions of the experiments, one per file. Each finds the stack in the experiment's configuration."""
