"""What IMAP counts."""

from workpost.kernel.metrics import counter

CONNECTIONS = counter("workpost_imap_connections_total", "Connections accepted.")
COMMANDS = counter("workpost_imap_commands_total", "Commands answered, right or wrong.")
FAILED_LOGINS = counter("workpost_imap_failed_logins_total", "Passwords that were wrong.")
