"""What SMTP counts, by role of the listener."""

from workpost.kernel.metrics import Counter, counter
from workpost.protocols.smtp.session import Role

CONNECTIONS = counter("workpost_smtp_connections_total", "Connections accepted.", "role")
MESSAGES = counter("workpost_smtp_messages_total", "Messages answered with 250.", "role")
REFUSALS = counter("workpost_smtp_refusals_total", "Commands refused, by reply.", "role", "code")
FAILED_LOGINS = counter("workpost_smtp_failed_logins_total", "Passwords that were wrong.", "role")


class Counters:
    """The counters of one listener."""

    __slots__ = ("_role", "connections", "failed_logins", "messages")

    def __init__(self, role: Role) -> None:
        self._role = role.value
        self.connections = CONNECTIONS.labels(self._role)
        self.messages = MESSAGES.labels(self._role)
        self.failed_logins = FAILED_LOGINS.labels(self._role)

    def refusals(self, code: int) -> Counter:
        """Refusals with this reply code."""
        return REFUSALS.labels(self._role, str(code))
