"""`workpost selftest`: the server writes to itself as people and other servers do."""
