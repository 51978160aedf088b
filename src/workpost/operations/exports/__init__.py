"""Mailbox exports: all mail of a mailbox as one zip object in a bucket."""
