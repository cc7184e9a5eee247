"""What travels: request bodies read as tables, checked by type, and answers written, protocol by protocol."""
