"""IMAP's bytes: framing, parsing and encoding. No I/O, no import from elsewhere in Workpost."""
