"""What serves: trials, rollbacks, and the gateway as the control plane sees it."""
