"""How a session ends early, and its last words."""

from workpost.protocols.smtp.wire.replies import reply

BARE_LINE_END = reply(521, "5.5.2", "Lines must end in CRLF")
EARLY = "You spoke before the greeting"
IDLE = reply(421, "4.4.2", "Idle for too long")
LOGGED_OUT = reply(421, "4.7.0", "Please log in again")
LINE_TOO_LONG = reply(521, "5.5.2", "Line too long")
SHUTTING_DOWN = reply(421, "4.3.2", "Service is shutting down")
TOO_MANY_COMMANDS = reply(421, "4.7.0", "Too many commands without a message")
TOO_MANY_CONNECTIONS = reply(421, "4.7.0", "Too many connections")
TOO_MANY_ERRORS = reply(421, "4.7.0", "Too many errors")
TOO_MUCH = reply(421, "4.7.0", "Too many connections or errors lately, try later")
TOO_MANY_LOGINS = reply(421, "4.7.0", "Too many failed logins")
TOO_MANY_UNKNOWN = reply(421, "4.7.1", "Too many unknown recipients, try later")
TOO_MANY_RECIPIENTS = reply(421, "4.5.3", "Far too many recipients")


class SessionEnd(Exception):
    """The session is over. ``reply`` may be empty: the peer left, or nobody listens."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__(reply)
        self.reply = reply
