"""The DNS: one interface, a resolver that asks real servers, one that knows what it is told."""
