"""ManageSieve (RFC 5804): people's clients list, write and choose the Sieve scripts of a mailbox."""
