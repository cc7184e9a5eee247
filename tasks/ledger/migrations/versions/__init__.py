"""One file per revision of the ledger's tables, in their order. A released revision never changes."""
