"""One attempt to send one message to the servers of one route."""

from __future__ import annotations

from workpost.integrations.smtp.base import Mail, Outcome
from workpost.store.core import Core


class Transport:
    """Sends messages; keeps sessions for a while for those that follow. One for each process."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def attempt(self, route: str, mail: Mail) -> list[Outcome]:
        """Try to send `mail` to all its recipients, who are on `route` (a domain).

        Never raises for what the network or a server does: every recipient has one outcome, in the
        order of the recipients.
        """
        return [
            Outcome(
                number=each.number,
                state="deferred",
                status="4.4.0",
                text=f"Nothing is sent to {route} yet.",
                reached=False,
            )
            for each in mail.recipients
        ]

    async def close(self) -> None:
        """End the sessions that are kept."""
