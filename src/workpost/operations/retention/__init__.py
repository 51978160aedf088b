"""Retention: what a policy of an organization takes out of its mailboxes, once a period."""
