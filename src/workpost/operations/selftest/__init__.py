"""`workpost selftest`: the running server writes to itself, by the ways that people and others use."""
