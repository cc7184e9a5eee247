"""What a user would write to serve the same model with LitServe and with BentoML; runs in their environments."""
