"""SMTP on the wire: commands, replies, message content. No I/O, nothing else of Workpost."""
