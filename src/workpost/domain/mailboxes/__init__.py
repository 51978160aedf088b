"""Mailboxes: provisioning, the folder tree, subscriptions, quota."""
