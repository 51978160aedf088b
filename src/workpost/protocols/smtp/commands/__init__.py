"""One function per SMTP verb: parse to the end, check the state, ask the service, reply."""
