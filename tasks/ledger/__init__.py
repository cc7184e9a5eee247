"""The ledger: incidents, attempts, batches, checks and the journal, in one database."""
