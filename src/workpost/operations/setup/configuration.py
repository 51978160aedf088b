"""The configuration that `workpost quickstart` writes. Pure."""

from __future__ import annotations

import json
from typing import Literal

import msgspec

Tls = Literal["files", "acme", "self-signed"]

PORTS: dict[str, tuple[int, int, str]] = {
    "smtp": (25, 2525, "Other servers bring mail here."),
    "submissions": (465, 2465, "People's mail programs send here, TLS from the start."),
    "submission": (587, 2587, "The same with STARTTLS."),
    "imaps": (993, 2993, "People's mail programs read here, TLS from the start."),
    "imap": (143, 2143, "The same with STARTTLS."),
    "managesieve": (4190, 4190, "People's mail programs write their filters (Sieve) here."),
    "https": (443, 8443, "The API, and the MTA-STS policies of the domains."),
}
"""Listener to its port, the one above 1023 in its place, and what it is for."""
ACME_PORTS = (80, 8080, "The certificate authority asks here; everybody else is sent to https.")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration is made from; paths are absolute."""

    address: str
    hostname: str
    data: str
    keys: str
    tls: Tls = "self-signed"
    certificate: str = ""
    key: str = ""
    directory: str = ""
    """Another ACME directory than the default."""
    contact: str = ""
    low_ports: bool = True
    hosts: tuple[str, ...] = ("0.0.0.0", "[::]")
    """Where to listen."""

    @property
    def domain(self) -> str:
        """The domain of the first address."""
        return self.address.rpartition("@")[2]


def _quote(text: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)


def _listen(wish: Wish, ports: tuple[int, int, str]) -> str:
    port = ports[0] if wish.low_ports else ports[1]
    return json.dumps([f"{host}:{port}" for host in wish.hosts])


def compose(wish: Wish) -> str:
    """The file, with comments."""
    parts = [_top(wish), _listeners(wish), _certificate(wish), _rest(wish)]
    return "\n".join(parts)


def _top(wish: Wish) -> str:
    return f"""\
# Workpost, as `workpost quickstart {wish.address}` wrote it. Every key is in docs/settings.md.
# After a change: `workpost config check --config FILE`, then restart; for keys marked live in
# docs/settings.md SIGHUP is enough (`systemctl reload workpost`).

# Mail, as it is sealed by the keys below. Back it up by `workpost backup`.
data_dir = {_quote(wish.data)}

# The name in greetings, in DNS records and in the certificate; it is to resolve to this machine.
hostname = {_quote(wish.hostname)}
"""


def _listeners(wish: Wish) -> str:
    lines = ["[listeners]"]
    if not wish.low_ports:
        lines.append("# Ports above 1023, as this was written by somebody who may not use others.")
    for name, ports in PORTS.items():
        lines += [f"# {ports[2]}", f"{name} = {_listen(wish, ports)}"]
    if wish.tls == "acme":
        lines += [f"# {ACME_PORTS[2]}", f"acme = {_listen(wish, ACME_PORTS)}"]
    lines += [
        "# The API without TLS, /healthz and /metrics: for programs on this machine.",
        'http = "127.0.0.1:8480"',
    ]
    return "\n".join(lines) + "\n"


def _certificate(wish: Wish) -> str:
    if wish.tls == "files":
        return f"""\
# The server takes up replaced files by itself.
[tls]
certificate = {_quote(wish.certificate)}
key = {_quote(wish.key)}
"""
    if wish.tls == "self-signed":
        return """\
# The certificate is self-signed: mail programs complain, and other servers cannot tell who it is.
# [tls]
# certificate = "/path/to/fullchain.pem"
# key = "/path/to/privkey.pem"
"""
    other = f"directory = {_quote(wish.directory)}\n" if wish.directory else ""
    return f"""\
# Fetched and renewed by the server itself, once port 80 of the host name leads here.
[acme]
enabled = true
agree_tos = true
contact = [{_quote(wish.contact or wish.address)}]
{other}"""


def _rest(wish: Wish) -> str:
    return f"""\
# What opens the mail. Apart from the data: who has both reads everything. Back it up by
# `workpost keys backup`, to another place than the data.
[keys]
url = {_quote(f"sqlite:{wish.keys}/keys.db")}
keyring = {_quote(f"{wish.keys}/keyring.json")}

# Each organization begins with a domain under this one.
[organizations]
suffix = {_quote(wish.hostname)}

# Turn to "enforce" when `workpost doctor` has nothing to say about the certificate any more;
# it then prints the record that is to be changed.
[mta_sts]
mode = "testing"
"""
