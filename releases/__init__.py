"""The append-only log of releases and the store of signed models: all that control and data plane share."""
