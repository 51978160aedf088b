"""Postfix in front of Workpost: it takes mail for a domain and hands it on over LMTP."""

from __future__ import annotations

from pathlib import Path

from tests.support.peers import require_peer
from tests.support.postfix_server import PostfixServer
from tests.support.processes import free_port

SETTINGS = """
myhostname = front.example
relay_domains = {domain}
relay_transport = lmtp:inet:{lmtp}
default_transport = error:nobody writes to the outside from here
smtpd_relay_restrictions = permit_mynetworks, reject
lmtp_tls_security_level = {tls}
smtputf8_autodetect_classes = all
"""

SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
lmtp unix - - n - - lmtp
"""


class PostfixInFront(PostfixServer):
    """A relay for one domain; `lmtp` is `host:port`."""

    def __init__(self, folder: Path, *, domain: str, lmtp: str, tls: str = "none") -> None:
        require_peer("postfix")
        port = free_port()
        settings = SETTINGS.format(domain=domain, lmtp=lmtp, tls=tls)
        super().__init__(folder, port, settings, SERVICES.format(port=port))
