"""PutInboundDmarcSettings; what it does to mail is in tests/protocols/smtp/test_dmarc.py."""

from __future__ import annotations

from tests.support.api_server import Tenant

PUT = "PutInboundDmarcSettings"
DESCRIBE = "DescribeInboundDmarcSettings"


def test_it_is_kept_for_the_organization_alone(demo: Tenant, other: Tenant) -> None:
    assert demo(PUT, Enforced=False) == {}
    assert demo(DESCRIBE) == {"Enforced": False}
    assert other(DESCRIBE) == {"Enforced": True}
    assert demo(PUT, Enforced=True) == demo(PUT, Enforced=True) == {}
    assert demo(DESCRIBE) == {"Enforced": True}
