"""Certificate authorities that speak ACME (RFC 8555)."""
