"""RFC 6455 over bare TCP, clause by clause, for every driver of `/ws`."""
