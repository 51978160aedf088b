"""Authentication of mail: what its fields and DNS records mean, and the arithmetic. No I/O."""
