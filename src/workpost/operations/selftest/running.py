"""The steps of a self-test, each with its time: submission, IMAP, the way of other servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import msgspec

from workpost.formats.addresses import fold_domain
from workpost.formats.mime.compose import compose
from workpost.kernel.listeners import is_proxied, parse_address
from workpost.operations.selftest.clients import Failed, Place, await_message, mailbox, send
from workpost.operations.selftest.person import Person, person
from workpost.operations.selftest.signature import UNSIGNED, judge, signed
from workpost.operations.setup.founding import read_founded
from workpost.store.core import Core
from workpost.store.tables.domains import get_verified, list_verified

NEEDED = ("submission", "smtp", "imaps")


class Step(msgspec.Struct, frozen=True):
    """One step; `problem` is "" when it went well."""

    name: str
    milliseconds: float
    problem: str = ""
    remark: str = ""


def places(endpoints: Mapping[str, str]) -> dict[str, Place]:
    """The listeners that are needed. Raises Failed where one does not run."""
    found = {}
    for name in NEEDED:
        if name not in endpoints:
            raise Failed(f"the server does not run, or without the listener {name}")
        host, port = parse_address(endpoints[name].rpartition("/")[2])
        found[name] = Place({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)
    return found


async def find_place(core: Core, wanted: str | None) -> tuple[str, str]:
    """Organization and domain to write to: the one `wanted`, quickstart's, or the first one.

    Raises Failed where no such domain is verified.
    """
    founded = read_founded(core.settings.data)
    if wanted is None and founded.done:
        return founded.organization, founded.domain
    if wanted is None:
        rows = await core.store.read(list_verified, after="", limit=1)
    else:
        found = await core.store.read(get_verified, name=fold_domain(wanted))
        rows = [found] if found is not None else []
    if not rows:
        if wanted is not None:
            raise Failed(f"there is no verified mail domain {wanted}")
        raise Failed(
            "there is no verified mail domain, as in a demo; `workpost quickstart` adds one"
        )
    return rows[0].org, rows[0].name


async def run_selftest(
    core: Core, endpoints: Mapping[str, str], organization: str, domain: str
) -> list[Step]:
    """Make somebody, let them write to themselves twice, read it, and remove them.

    The first step that fails is the last. Raises Failed where the server does not run, and what
    creating a user raises.
    """
    at = places(endpoints)
    for name, place in at.items():
        if is_proxied(core.settings, name, place.host):
            raise Failed(f"only proxies speak to {name} from {place.host} (listeners.proxies)")
    steps: list[Step] = []
    async with person(core, organization, domain) as somebody:
        try:
            await _submission(core, at, somebody, steps)
            await _inbound(core, organization, at, somebody, steps)
        except Failed as error:
            steps[-1] = msgspec.structs.replace(steps[-1], problem=str(error), remark="")
    return steps


async def _timed(steps: list[Step], name: str, work: Callable[[], bytes | str]) -> bytes | str:
    """Do a step in a thread and note how long it took."""
    steps.append(Step(name, 0.0))
    began = time.monotonic()
    try:
        return await asyncio.to_thread(work)
    finally:
        spent = round((time.monotonic() - began) * 1000, 1)
        steps[-1] = msgspec.structs.replace(steps[-1], milliseconds=spent)


def _message(core: Core, somebody: Person, subject: str) -> tuple[str, bytes]:
    domain = somebody.address.rpartition("@")[2]
    message_id = f"{core.env.new_hex()}@{domain}"
    raw = compose(
        from_=("Self-test", somebody.address),
        to=[("Self-test", somebody.address)],
        subject=subject,
        epoch=core.env.now() / 1000,
        message_id=message_id,
        text="Written by `workpost selftest`.\n",
    )
    return f"<{message_id}>", raw


async def _submission(
    core: Core, at: Mapping[str, Place], somebody: Person, steps: list[Step]
) -> None:
    """As a person's mail program: STARTTLS, AUTH, and IMAP with TLS from the start."""
    message_id, raw = _message(core, somebody, "Submission")
    me, host = somebody.address, core.settings.host_name

    def submit() -> str:
        return send(at["submission"], host, me, me, raw, password=somebody.password)

    await _timed(steps, "submission over TLS, logged in", submit)
    await _read(at, somebody, steps, message_id, raw)


async def _read(
    at: Mapping[str, Place], somebody: Person, steps: list[Step], message_id: str, raw: bytes
) -> bytes:
    def read() -> bytes:
        with mailbox(at["imaps"], somebody.address, somebody.password) as client:
            return await_message(client, message_id)

    found = await _timed(steps, "reading it over IMAP", read)
    assert isinstance(found, bytes)
    if not found.endswith(raw):
        raise Failed(
            "what came out is not what went in; does a flow rule's function change messages?"
            " (workpost rule list)"
        )
    return found


async def _inbound(
    core: Core,
    organization: str,
    at: Mapping[str, Place],
    somebody: Person,
    steps: list[Step],
) -> None:
    """As another server: signed, STARTTLS at the port of the MX, nobody logged in."""
    message_id, raw = _message(core, somebody, "From another server")
    me, host = somebody.address, core.settings.host_name
    sent = await signed(core, organization, me.rpartition("@")[2], raw)

    def hand_in() -> str:
        return send(at["smtp"], host, me, me, sent.raw)

    await _timed(steps, "as another server over TLS", hand_in)
    found = await _read(at, somebody, steps, message_id, sent.raw)
    steps.append(Step("its DKIM signatures", 0.0, remark=UNSIGNED))
    if sent.is_signed:
        began = time.monotonic()
        remark = await judge(core, found)
        spent = round((time.monotonic() - began) * 1000, 1)
        steps[-1] = Step("its DKIM signatures", spent, remark=remark)
