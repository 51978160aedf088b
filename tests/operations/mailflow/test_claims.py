"""Mail from outside that names an author of ours without proof: it leaves under nobody's rules."""

from __future__ import annotations

import pytest

from tests.operations.mailflow.test_personal import BOB, House, grace, mail

__all__ = ["grace"]


@pytest.mark.parametrize(
    ("author", "sent_on"), [("mallory@demo.test", False), (BOB, True)], ids=["ours", "elsewhere"]
)
async def test_who_claims_to_be_one_of_us_without_proof_is_not_redirected(
    grace: House, author: str, sent_on: bool
) -> None:
    """From our address it would pass for genuine elsewhere; the queue knows as much as SMTP did."""
    await grace.rules('redirect "rob@far.example";')
    await grace.bring(mail(sender=author), peer="203.0.113.9")
    assert [one["recipient"] for one in await grace.leaving()] == ["rob@far.example"] * sent_on
    assert len(await grace.folder("INBOX")) == (not sent_on)
    assert [one["action"] for one in await grace.actions()] == ["REDIRECT" if sent_on else "KEEP"]
