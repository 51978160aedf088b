"""One request to one provider: the answer of each mailbox, or why the provider has none."""

from __future__ import annotations

import asyncio
import base64
import enum
from collections.abc import Sequence

import msgspec

from workpost.domain.organizations.availability import EwsProvider, Provider
from workpost.formats.availability import ews, functions
from workpost.formats.availability.values import (
    InvalidAnswer,
    MailboxAnswer,
    Requester,
    Window,
)
from workpost.integrations.egress.client import Bounds, EgressFailed, Problem, Response, post
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.kernel.errors import TryLater
from workpost.kernel.rooms import Rooms
from workpost.kernel.trail import tell_availability
from workpost.operations.functions.invoking import invoke
from workpost.store.core import Core

SECONDS = 25.0
"""How long a provider may take (WorkMail's bound)."""
AT_ONCE = 64
"""Requests of one process at the same time; answers are held in memory."""
OF_ORGANIZATION = 8
"""Those of one organization: nobody takes all of them."""
ROOMS = Rooms("availability", AT_ONCE, OF_ORGANIZATION, "Too many providers are being asked.")
PARSE_INLINE = 64 * 1024
"""Larger answers are read in a thread."""


class Reason(enum.Enum):
    """Why a provider gave no answer."""

    ADDRESS = "address"
    NAME = "name"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    TIME = "time"
    CREDENTIALS = "credentials"
    MOVED = "moved"
    STATUS = "status"
    FAULT = "fault"
    NOT_EWS = "not ews"
    TOO_LARGE = "too large"
    PLAIN = "plain"
    NOT_MAPPED = "not mapped"
    REFUSED = "refused"
    BUSY = "busy"
    FAILED = "failed"
    INVALID = "invalid"
    FUNCTION_UNREACHABLE = "function unreachable"


class ProviderFailed(Exception):
    """A provider gave no answer; `detail` is a short word on it, of printable ASCII."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value} {detail}".rstrip())
        self.reason = reason
        self.detail = "".join(each for each in detail[:64] if " " < each <= "~")


class Question(msgspec.Struct, frozen=True):
    """What a provider is asked, on behalf of whom."""

    organization: str
    requester: Requester
    mailboxes: Sequence[str]
    window: Window


_PROBLEMS = {
    Problem.URL: Reason.NOT_EWS,
    Problem.SCHEME: Reason.PLAIN,
    Problem.NAME: Reason.NAME,
    Problem.ADDRESS: Reason.ADDRESS,
    Problem.CONNECTION: Reason.UNREACHABLE,
    Problem.CERTIFICATE: Reason.CERTIFICATE,
    Problem.TIME: Reason.TIME,
    Problem.SIZE: Reason.TOO_LARGE,
    Problem.PROTOCOL: Reason.NOT_EWS,
    Problem.REDIRECTS: Reason.NOT_EWS,
}
_TROUBLES = {
    Trouble.MISSING: Reason.NOT_MAPPED,
    Trouble.REFUSED: Reason.REFUSED,
    Trouble.UNREACHABLE: Reason.FUNCTION_UNREACHABLE,
    Trouble.BUSY: Reason.BUSY,
    Trouble.TIME: Reason.TIME,
    Trouble.FAILED: Reason.FAILED,
    Trouble.TOO_LARGE: Reason.TOO_LARGE,
}


async def ask(core: Core, provider: Provider, question: Question) -> list[MailboxAnswer]:
    """Ask a provider: an answer for each mailbox, in their order.

    Takes at most SECONDS, waiting for its turn included. Raises ProviderFailed, TryLater.
    """
    failure = ""
    try:
        return await _ask(core, provider, question)
    except ProviderFailed as error:
        failure = str(error)
        raise
    except TryLater as error:
        failure = error.message
        raise
    finally:
        tell_availability(
            core.trail,
            question.organization,
            user_id=question.requester.user_id,
            domain=question.mailboxes[0].rpartition("@")[2] if question.mailboxes else "",
            function="" if isinstance(provider, EwsProvider) else provider.arn,
            endpoint=provider.url if isinstance(provider, EwsProvider) else "",
            failure=failure,
        )


async def _ask(core: Core, provider: Provider, question: Question) -> list[MailboxAnswer]:
    try:
        async with asyncio.timeout(SECONDS), ROOMS.enter(question.organization, None):
            if isinstance(provider, EwsProvider):
                return await _ask_ews(core, provider, question)
            return await _ask_function(core, provider.arn, question)
    except TimeoutError:
        raise ProviderFailed(Reason.TIME) from None


async def _ask_ews(core: Core, provider: EwsProvider, question: Question) -> list[MailboxAnswer]:
    settings = core.settings.egress
    bounds = Bounds(
        allow=settings.allow,
        plain_http=settings.plain_http,
        ca_file=settings.ca_file,
        seconds=settings.seconds,
        response_bytes=settings.response_kilobytes * 1024,
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{ews.ACTION}"'}
    login = base64.b64encode(f"{provider.username}:{provider.password}".encode()).decode()
    body = ews.write_request(question.mailboxes, question.window)
    try:
        response = await post(bounds, provider.url, headers, body, authorization=f"Basic {login}")
    except EgressFailed as error:
        raise ProviderFailed(_PROBLEMS[error.problem], error.host) from error
    return await _read_ews(response, question)


async def _read_ews(response: Response, question: Question) -> list[MailboxAnswer]:
    if response.moved:
        # Whatever it says, it says it to somebody without a password.
        raise ProviderFailed(Reason.MOVED, response.host)
    if response.status in {401, 403}:
        raise ProviderFailed(Reason.CREDENTIALS)
    # A fault of SOAP comes with 500 (SOAP 1.1, 6.2).
    if response.status not in {200, 500}:
        raise ProviderFailed(Reason.STATUS, str(response.status))
    question_of = question.mailboxes, question.window
    try:
        if len(response.body) <= PARSE_INLINE:
            return ews.read_answer(response.body, *question_of)
        return await asyncio.to_thread(ews.read_answer, response.body, *question_of)
    except ews.SoapFault as error:
        raise ProviderFailed(Reason.FAULT, error.code) from error
    except InvalidAnswer as error:
        if response.status != 200:
            raise ProviderFailed(Reason.STATUS, str(response.status)) from error
        raise ProviderFailed(Reason.NOT_EWS) from error


async def _ask_function(core: Core, arn: str, question: Question) -> list[MailboxAnswer]:
    organization = question.organization
    event = functions.write_request(
        organization, question.requester, question.mailboxes, question.window
    )
    try:
        raw = await invoke(core, organization=organization, arn=arn, event=event, seconds=SECONDS)
    except FunctionFailed as error:
        raise ProviderFailed(_TROUBLES[error.trouble]) from error
    try:
        if len(raw) <= PARSE_INLINE:
            return functions.read_answer(raw, question.mailboxes)
        return await asyncio.to_thread(functions.read_answer, raw, question.mailboxes)
    except InvalidAnswer as error:
        raise ProviderFailed(Reason.INVALID) from error
