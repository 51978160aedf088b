"""The table from domain errors to SMTP replies."""

import pytest

from workpost.kernel.errors import (
    Busy,
    Conflict,
    MessageTooLarge,
    UnknownRecipient,
    WorkpostError,
)
from workpost.protocols.smtp.errors import refusal


@pytest.mark.parametrize(
    ("error", "code", "status", "text"),
    [
        (UnknownRecipient("No x here"), 550, "5.1.1", "No x here"),
        (MessageTooLarge(), 552, "5.3.4", "Message is too large"),
        (Busy("detail"), 451, "4.3.0", "detail"),
        (Conflict("detail"), 451, "4.3.0", "Local error, try later"),
    ],
)
def test_each_error_has_its_reply(error, code, status, text):
    answer = refusal(error)
    assert (answer.code, answer.status, answer.text) == (code, status, text)


@pytest.mark.parametrize("kind", [kind for _, kind in sorted(WorkpostError.registry.items())])
def test_every_domain_error_becomes_a_refusal_and_never_bounces_a_local_fault(kind):
    assert 400 <= refusal(kind()).code <= 599
