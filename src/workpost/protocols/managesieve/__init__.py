"""ManageSieve (RFC 5804): people's clients write and choose the Sieve scripts of a mailbox."""
