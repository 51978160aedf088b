"""Bytes of ManageSieve (RFC 5804 4): no I/O, nothing else of Workpost."""
