"""What ManageSieve counts."""

from workpost.kernel.metrics import counter

CONNECTIONS = counter("workpost_managesieve_connections_total", "Connections accepted.")
COMMANDS = counter("workpost_managesieve_commands_total", "Commands answered, right or wrong.")
FAILED_LOGINS = counter("workpost_managesieve_failed_logins_total", "Passwords that were wrong.")
