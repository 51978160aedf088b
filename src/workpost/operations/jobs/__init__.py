"""Durable jobs: what takes more than one transaction, or happens later."""
