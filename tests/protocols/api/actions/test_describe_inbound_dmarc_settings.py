"""DescribeInboundDmarcSettings."""

from __future__ import annotations

from tests.support.api_server import Tenant


def test_new_organizations_enforce(demo: Tenant) -> None:
    assert demo("DescribeInboundDmarcSettings") == {"Enforced": True}
