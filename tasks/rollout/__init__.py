"""Changes of what serves: rollouts with their trials and approvals, and rollbacks."""
