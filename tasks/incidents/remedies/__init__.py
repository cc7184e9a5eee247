"""One file per remedy. Each lists its implementations in REMEDIES; `remedy_registry` finds them there."""
