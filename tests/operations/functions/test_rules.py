"""The functions of examples/functions as those of Run Lambda rules: from outside to a mailbox."""

from __future__ import annotations

import email

from tests.operations.mailflow.mails import stories
from tests.operations.mailflow.rulings import add_rule, by, in_folder, outside
from tests.support.directories import Directory
from tests.support.functions import BUCKET, Functions
from tests.support.rule_functions import run_functions
from workpost.domain.organizations.flow_rules import DROP, INBOUND, LAMBDA
from workpost.operations.mailflow import pipeline, ruling

HEADERS = (
    "Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@elsewhere.example>\r\n"
    "To: grace@demo.test\r\n"
)


def test_a_callable_rewrites_a_message_on_its_way(functions: Functions) -> None:
    api, tenant = functions.api, functions.demo
    house = Directory(api.core, tenant.account, tenant.organization, "demo.test")

    async def work() -> None:
        await house.user("grace")
        arn = functions.callable(
            "subject-tag",
            "subject_tag.lambda_handler",
            environment=("SUBJECT_TAG=[EXTERNAL]", f"UPDATED_EMAIL_BUCKET={BUCKET}"),
        )
        await add_rule(house, INBOUND, LAMBDA, function=arn, fallback=DROP, timeout=0)
        await pipeline.receive(api.core, outside("grace@demo.test"), by(headers=HEADERS))
        await run_functions(house)
        (raw,) = await in_folder(house, "grace@demo.test")
        assert email.message_from_bytes(raw)["Subject"] == "[EXTERNAL] Offer"
        assert raw.startswith(b"Return-Path: <bob@elsewhere.example>")
        (applied,) = await stories(house, ruling.APPLIED)
        assert applied["replaced"]
        told.append(applied["invocationId"])

    told: list[str] = []
    api.run(work())
    assert functions.log("subject-tag")[0].startswith(f"START RequestId: {told[0]}")
