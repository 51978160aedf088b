"""Organizations: the tenants, their states, domains and policy version."""
