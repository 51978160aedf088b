"""TestAvailabilityConfiguration: ask the provider, and tell what is wrong in one sentence."""

from __future__ import annotations

from workpost.domain.organizations.availability import (
    EwsProvider,
    Provider,
    check_provider,
    open_provider,
)
from workpost.domain.organizations.state import check_active
from workpost.formats.availability.values import INVALID_ANSWER, Requester, Window
from workpost.kernel.principal import Grant
from workpost.operations.availability.asking import ProviderFailed, Question, Reason, ask
from workpost.store.core import Core

DAY_MS = 24 * 60 * 60 * 1000
NOBODY = "availability-test"
ELSEWHERE = "example.invalid"
SYSTEM = "S-1-5-18"
"""The user id of whoever is nobody, as WorkMail sends it."""

_SENTENCES = {
    Reason.ADDRESS: "The EWS endpoint {} has no address that may be connected to.",
    Reason.NAME: "The EWS endpoint is unreachable: the host {} cannot be resolved.",
    Reason.UNREACHABLE: "The EWS endpoint is unreachable: no connection to {}.",
    Reason.CERTIFICATE: "The certificate of {} is not valid or not trusted.",
    Reason.TIME: "The provider did not answer in time.",
    Reason.CREDENTIALS: "The EWS endpoint refused the user name and password.",
    Reason.MOVED: "The EWS endpoint redirects to {}, where the password is not sent.",
    Reason.STATUS: "The URL is not an EWS endpoint: it answered with HTTP status {}.",
    Reason.FAULT: "The EWS endpoint refused the request: {}.",
    Reason.NOT_EWS: "The URL is not an EWS endpoint: its answer is not one of EWS.",
    Reason.TOO_LARGE: "The answer of the provider is too large.",
    Reason.PLAIN: "The EWS endpoint redirects to {} without TLS.",
    Reason.NOT_MAPPED: "The Lambda function was not found.",
    Reason.REFUSED: "The Lambda function may not be invoked.",
    Reason.BUSY: "The Lambda function has no capacity at the moment.",
    Reason.FAILED: "The Lambda function failed.",
    Reason.INVALID: "The answer of the Lambda function is not valid.",
    Reason.FUNCTION_UNREACHABLE: "The Lambda function is unreachable.",
}
LONGEST = 256


async def try_provider(
    core: Core, grant: Grant, *, provider: Provider | None = None, domain: str = ""
) -> str:
    """Ask a provider, or the one configured for `domain`; returns why it failed, "" when not.

    It passes when it gives any valid answer, even one that knows nobody. Raises InvalidParameter,
    ResourceNotFound, OrganizationNotFound, OrganizationStateInvalid, TryLater.
    """
    await core.store.read(check_active, grant=grant)
    if provider is None:
        provider = await open_provider(core, grant, domain)
    else:
        check_provider(core, provider)
    mailbox = f"{NOBODY}@{domain or ELSEWHERE}"
    if isinstance(provider, EwsProvider) and "@" in provider.username:
        mailbox = provider.username
    now = core.env.now()
    requester = Requester(email=mailbox, user_name=NOBODY, user_id=SYSTEM)
    question = Question(grant.organization, requester, [mailbox], Window(now, now + DAY_MS))
    try:
        answers = await ask(core, provider, question)
    except ProviderFailed as failure:
        return _SENTENCES[failure.reason].format(failure.detail)[:LONGEST]
    if answers[0].error == INVALID_ANSWER:
        return _SENTENCES[Reason.INVALID]
    return ""
