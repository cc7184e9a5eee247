"""A gateway under a constant load while one fault after another strikes it: the faults, the outcomes, the growth."""
