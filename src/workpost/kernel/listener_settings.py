"""Settings of where Workpost listens."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from workpost.kernel.sections import Section

UNIX = "unix:"
"""What the address of a Unix socket begins with."""

Addresses = tuple[str, ...]


class Listeners(Section, frozen=True, kw_only=True):
    """Where Workpost listens: `host:port`, `[v6]:port`, a list of them, or `off`; port 0 is any."""

    http: Annotated[
        Addresses, Meta(description="API, health, metrics and web, without TLS: loopback or proxy.")
    ] = ("127.0.0.1:8480",)
    https: Annotated[Addresses, Meta(description="API and web with TLS.")] = ("127.0.0.1:8443",)
    acme: Annotated[
        Addresses,
        Meta(
            description="Questions of certificate authorities (port 80); everything else is sent "
            "on to https."
        ),
    ] = ()
    smtp: Annotated[Addresses, Meta(description="Mail from other servers (port 25).")] = (
        "127.0.0.1:2525",
    )
    submission: Annotated[
        Addresses, Meta(description="Mail from people's clients, STARTTLS (port 587).")
    ] = ("127.0.0.1:2587",)
    submissions: Annotated[
        Addresses, Meta(description="Mail from people's clients, TLS from the start (port 465).")
    ] = ("127.0.0.1:2465",)
    imap: Annotated[Addresses, Meta(description="IMAP with STARTTLS (port 143).")] = (
        "127.0.0.1:2143",
    )
    imaps: Annotated[Addresses, Meta(description="IMAP, TLS from the start (port 993).")] = (
        "127.0.0.1:2993",
    )
    managesieve: Annotated[
        Addresses, Meta(description="ManageSieve, Sieve scripts, with STARTTLS (port 4190).")
    ] = ("127.0.0.1:4190",)
    lmtp: Annotated[
        Addresses,
        Meta(
            description="Mail from a server of your own that stands in front: loopback, or "
            "`unix:/absolute/path`. Whoever reaches it is believed."
        ),
    ] = ()
    proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks whose connections begin with a header of the PROXY protocol, "
            "`10.1.0.0/16`; at some listeners only: `127.0.0.1 smtp imaps`."
        ),
    ] = ()


LISTENERS = tuple(name for name in Listeners.__struct_fields__ if name != "proxies")
