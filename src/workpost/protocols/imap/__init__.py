"""IMAP4rev1 (RFC 3501) with the extensions of docs/imap.md: wire, session view, commands."""
