"""How the session with one host must be protected: the operator, DANE, MTA-STS, the sender."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from workpost.integrations.dns.base import Resolver
from workpost.integrations.smtp.base import Mail
from workpost.integrations.smtp.security import Level, Security
from workpost.integrations.smtp.wording import header_of
from workpost.kernel.errors import TryLater
from workpost.operations.outbound.dane import find_tlsa
from workpost.operations.outbound.hosts import Exchange
from workpost.operations.outbound.mta_sts import Found

Kind = Literal["tlsa", "sts", "no-policy-found", ""]
_NOT_REQUIRED = re.compile(
    rb"(?:^|\n)tls-required[ \t]*:[ \t]*no[ \t]*(?:\r?\n(?![ \t])|$)", re.IGNORECASE
)


class Unsafe(Exception):
    """Mail must not go to this host. `problem` is a result type of RFC 8460 4.3, or empty."""

    def __init__(self, text: str, status: str, problem: str = "", *, final: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.problem = problem
        self.final = final
        """The sender would rather have it back than wait (RFC 8689)."""


class Want(msgspec.Struct, frozen=True):
    """What the sender wants of TLS (RFC 8689): always, or delivery before protection."""

    always: bool = False
    never_mind: bool = False


class TlsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried with one host, in order: the next only where TLS itself failed before.

    `kind` says whose policy it is, for reports; empty: the operator's own.
    """

    ladder: tuple[Security, ...]
    kind: Kind = ""
    lines: tuple[str, ...] = ()
    """The policy as reports quote it."""
    mx: tuple[str, ...] = ()
    problem: str = ""
    """What is wrong already, though mail goes there (a policy in testing)."""


def want_of(mail: Mail) -> Want:
    """Read what the sender wants: REQUIRETLS, else the field `TLS-Required: No`.

    A report does not get lost for want of protection (RFC 8689 5): it has REQUIRETLS where that is
    offered, and goes as other mail where it is not.
    """
    if mail.requiretls:
        return Want(always=mail.sender != "")
    return Want(never_mind=_NOT_REQUIRED.search(header_of(mail.content)) is not None)


def level_of(settings: Sequence[str], domain: str) -> Level | None:
    """What `outbound.tls` says of a domain, None for nothing."""
    levels: dict[str, Level] = {}
    for entry in settings:
        name, _, level = entry.partition("=")
        levels[name.lower()] = level  # type: ignore[assignment]
    return levels.get(domain.lower(), levels.get("*"))


def ladder_for(level: Level, ca_file: str = "") -> tuple[Security, ...]:
    """What is tried for a level of the settings."""
    first = Security(level=level, ca_file=ca_file)
    # RFC 7435: a handshake that fails is no reason to send nothing where nothing was promised.
    return (first, Security(level="none")) if level == "may" else (first,)


def policy_for_named(level: Level, ca_file: str, want: Want) -> TlsPolicy:
    """The policy towards a server that the operator has named."""
    if want.always and level != "verify":
        level = "verify"
    return TlsPolicy(ladder=ladder_for(level, ca_file))


async def policy_for_exchange(
    resolver: Resolver,
    exchange: Exchange,
    *,
    domain: str,
    port: int,
    addresses_secure: bool,
    sts: Found,
    want: Want,
    level: Level | None,
    dane: bool,
    ca_file: str,
) -> TlsPolicy:
    """The policy towards a host that the DNS has named. Raises Unsafe.

    The operator's word counts first, then TLSA records, then MTA-STS (RFC 8461 2), and without
    any of these TLS is used where it is offered.
    """
    if want.never_mind and level is None:
        return TlsPolicy(ladder=ladder_for("may"))
    if level is not None and not want.always:
        return TlsPolicy(ladder=ladder_for(level, ca_file))
    if dane and exchange.secure and addresses_secure:
        by_tlsa = await _by_tlsa(resolver, exchange.host, domain, port)
        if by_tlsa is not None:
            if want.always and by_tlsa.ladder[0].level != "dane":
                raise Unsafe(
                    f"The certificate of {exchange.host} cannot be checked.", "5.7.10", final=True
                )
            return by_tlsa
    return _by_sts(exchange, sts, want, ca_file)


async def _by_tlsa(resolver: Resolver, host: str, domain: str, port: int) -> TlsPolicy | None:
    try:
        records = await find_tlsa(resolver, host, port)
    except TryLater:
        raise Unsafe(
            f"The DNS does not tell now how {host} is to be trusted (TLSA).",
            "4.7.5",
            "dnssec-invalid",
        ) from None
    if records is None:
        return None
    lines = tuple(
        f"{each.usage} {each.selector} {each.matching} {each.data.hex()}" for each in records
    )
    security = (
        Security(level="dane", names=(domain,), tlsa=records)
        if records
        else Security(level="encrypt")
    )
    return TlsPolicy(ladder=(security,), kind="tlsa", lines=lines, mx=(host,))


def _by_sts(exchange: Exchange, sts: Found, want: Want, ca_file: str) -> TlsPolicy:
    policy = sts.policy
    verify = Security(level="verify", ca_file=ca_file)
    if policy is None or policy.mode == "none":
        if not want.always:
            return TlsPolicy(ladder=ladder_for("may"), kind="no-policy-found")
        if exchange.secure:
            return TlsPolicy(ladder=(verify,))
        raise Unsafe(
            f"The sender wants TLS all the way, and nothing proves that {exchange.host} is the "
            "domain's server.",
            "5.7.10",
            final=True,
        )
    named = policy.covers(exchange.host)
    strict = policy.mode == "enforce" or want.always
    if not named and strict:
        raise Unsafe(
            f"The domain's MTA-STS policy does not name {exchange.host}.",
            "5.7.10" if want.always else "4.7.5",
            "validation-failure",
            final=want.always,
        )
    # Testing: as if it were enforced, for the report; then as if there were none.
    testing = ((verify,) if named else ()) + ladder_for("may")
    return TlsPolicy(
        ladder=(verify,) if strict else testing,
        kind="sts",
        lines=tuple(policy.lines),
        mx=policy.mx,
        problem="" if named else "validation-failure",
    )
