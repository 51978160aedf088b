"""The one way out: HTTP requests to addresses that tenants or operators name."""
