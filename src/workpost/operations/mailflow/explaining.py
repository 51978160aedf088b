"""Enhanced status codes (RFC 3463, and the registry of RFC 5248) in words for senders.

One sentence says what is wrong, one what to do about it. What the other server said itself is shown
beside them, never instead of them.
"""

from __future__ import annotations

NO_MAILBOX = (
    "There is no mailbox with this address.",
    "Check the address for typing mistakes, or ask the recipient for it another way.",
)
NO_DOMAIN = (
    "The part of the address after the @ does not exist, or takes no mail.",
    "Check the address for typing mistakes.",
)
FULL = (
    "The recipient's mailbox is full.",
    "Ask the recipient another way to make room, then send the message again.",
)
DISABLED = (
    "The recipient's mailbox is switched off or takes no mail at the moment.",
    "Reach the recipient another way.",
)
TOO_LARGE = (
    "The message is larger than the recipient's server accepts.",
    "Send it without its attachments, or share them another way.",
)
UNREACHED = (
    "The recipient's mail server could not be reached, or took nothing in all that time.",
    "The fault is most likely on the recipient's side. Try again later, or reach them another way.",
)
POLICY = (
    "The recipient's mail server refused the message by its rules.",
    "What it said is below; show it to your administrator if it does not help you.",
)
UNTRUSTED = (
    "The recipient's mail server refused the message as unwanted or not trustworthy.",
    "Show this report to your administrator: the server's answer below says what it missed.",
)
NO_TLS = (
    "The message may go over protected connections only, and the recipient's server has none.",
    "Send it without this requirement if its contents allow that.",
)
LOOP = (
    "The message went round in circles between mail servers.",
    "Tell your administrator: forwarding is set up wrongly somewhere.",
)
CONTENT = (
    "The recipient's mail server cannot take the message in the form it has.",
    "Send it as plain text, or with attachments of another kind.",
)
INTERNATIONAL = (
    "The recipient's mail server cannot handle addresses with such letters.",
    "Ask the recipient for an address in plain Latin letters.",
)
SUPPRESSED = (
    "Nothing is sent to this address for now, because earlier mail to it came back for good.",
    "If the address is right, ask your administrator to take it off the suppression list.",
)
DROPPED = (
    "An administrator took the message out of the queue.",
    "Ask your administrator why.",
)
OTHER = (
    "The recipient's mail server did not take the message.",
    "What it said is below; show it to your administrator if it does not help you.",
)

_KNOWN = {
    "1.1": NO_MAILBOX,
    "1.2": NO_DOMAIN,
    "1.3": NO_MAILBOX,
    "1.6": NO_MAILBOX,
    "1.10": NO_DOMAIN,
    "2.1": DISABLED,
    "2.2": FULL,
    "2.3": TOO_LARGE,
    "3.4": TOO_LARGE,
    "4.1": UNREACHED,
    "4.2": UNREACHED,
    "4.3": UNREACHED,
    "4.4": NO_DOMAIN,
    "4.6": LOOP,
    "4.7": UNREACHED,
    "6.7": INTERNATIONAL,
    "7.4": NO_TLS,
    "7.5": NO_TLS,
    "7.10": NO_TLS,
    "7.20": UNTRUSTED,
    "7.21": UNTRUSTED,
    "7.22": UNTRUSTED,
    "7.23": UNTRUSTED,
    "7.24": UNTRUSTED,
    "7.25": UNTRUSTED,
    "7.26": UNTRUSTED,
    "7.27": NO_DOMAIN,
    "7.28": UNTRUSTED,
    "7.29": UNTRUSTED,
    "7.30": NO_TLS,
}
_SUBJECTS = {"6": CONTENT, "7": POLICY}


def explain(status: str) -> tuple[str, str]:
    """What is wrong and what to do, for a status such as 5.1.1; its class plays no part."""
    _, _, rest = status.partition(".")
    return _KNOWN.get(rest) or _SUBJECTS.get(rest.partition(".")[0]) or OTHER
