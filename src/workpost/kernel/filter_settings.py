"""Settings of the filters that mail goes through: spam and viruses."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from workpost.kernel.sections import LIVE, Section

Listed = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?=[0-9]{1,2}(\.[0-9]{1,2})?$")
]
DAEMON = r"^(unix:.+|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}|[^\[\]:]+:[0-9]{1,5})$"


class Filter(Section, frozen=True, kw_only=True):
    """Spam goes to Junk E-mail, viruses are refused."""

    spam: Annotated[
        Literal["embedded", "rspamd", "spamassassin", "off"],
        Meta(
            description="What scores mail from outside; what people teach by moving mail to and "
            "from Junk E-mail counts beside each of them.",
            extra=LIVE,
        ),
    ] = "embedded"
    spam_daemon: Annotated[
        str,
        Meta(
            pattern=DAEMON,
            description="Where rspamd's normal worker or spamd listens: `host:port` or "
            "`unix:/path`.",
            extra=LIVE,
        ),
    ] = "127.0.0.1:11333"
    spam_seconds: Annotated[
        int, Meta(ge=1, le=60, description="How long it is waited for.", extra=LIVE)
    ] = 10
    spam_megabytes: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Larger messages are not given to the daemon: they go to the INBOX with "
            "the verdict PROCESSING_FAILED.",
            extra=LIVE,
        ),
    ] = 8
    junk_score: Annotated[
        float, Meta(ge=1, le=100, description="From this score on mail is junk.", extra=LIVE)
    ] = 5.0
    gray_score: Annotated[
        float,
        Meta(ge=0, le=100, description="From this score on mail is undecided.", extra=LIVE),
    ] = 3.0
    address_lists: Annotated[
        tuple[Listed, ...],
        Meta(
            description="DNS lists of addresses (RFC 5782) that the embedded scorer asks, and the "
            "points of a hit: `dnsbl.example=3.0`.",
            extra=LIVE,
        ),
    ] = ()
    domain_lists: Annotated[
        tuple[Listed, ...],
        Meta(
            description="DNS lists of domain names, asked about the sender and about links.",
            extra=LIVE,
        ),
    ] = ()
    list_seconds: Annotated[
        int, Meta(ge=1, le=20, description="How long DNS lists are waited for.", extra=LIVE)
    ] = 3
    learn_minimum: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Messages of each kind that an organization's people must have moved "
            "before their words count.",
            extra=LIVE,
        ),
    ] = 20
    learn_words: Annotated[
        int,
        Meta(
            ge=1_000,
            le=5_000_000,
            description="Words remembered for each organization; the longest unseen go first.",
            extra=LIVE,
        ),
    ] = 200_000
    virus: Annotated[
        Literal["clamav", "off"],
        Meta(description="What looks for viruses in all mail, people's own included.", extra=LIVE),
    ] = "off"
    virus_daemon: Annotated[
        str,
        Meta(
            pattern=DAEMON,
            description="Where clamd listens: `host:port` or `unix:/path`.",
            extra=LIVE,
        ),
    ] = "unix:/run/clamav/clamd.ctl"
    virus_seconds: Annotated[
        int, Meta(ge=1, le=120, description="How long it is waited for.", extra=LIVE)
    ] = 30
    virus_megabytes: Annotated[
        int,
        Meta(
            ge=1,
            le=1024,
            description="Larger messages are not given to the daemon; clamd's StreamMaxLength has "
            "to be as large.",
            extra=LIVE,
        ),
    ] = 100
    daemon_failures: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000,
            description="After so many messages in a row that a daemon did not answer for it is "
            "left alone for a while, as if it failed for each; 0: it is always asked.",
            extra=LIVE,
        ),
    ] = 5
    daemon_rest_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3_600,
            description="For so long; then one message finds out whether it answers again.",
            extra=LIVE,
        ),
    ] = 15
    virus_fail: Annotated[
        Literal["deliver", "defer"],
        Meta(
            description="What becomes of mail that could not be looked at: delivered, as its "
            "event, X-Workpost-Scan and `workpost_virus_unscanned_total` tell, or put off "
            "with 451.",
            extra=LIVE,
        ),
    ] = "deliver"
