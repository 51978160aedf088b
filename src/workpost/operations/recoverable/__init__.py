"""Recoverable items: destroyed when they were kept for their organization's period."""
