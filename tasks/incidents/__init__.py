"""The repair loop: record evidence, confirm incidents, apply remedies, verify them, escalate."""
