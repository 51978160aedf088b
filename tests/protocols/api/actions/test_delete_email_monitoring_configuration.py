"""DeleteEmailMonitoringConfiguration."""

from __future__ import annotations

from tests.protocols.api.actions.test_put_email_monitoring_configuration import send
from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.log_groups import LogGroups

DELETE = "DeleteEmailMonitoringConfiguration"


def test_nothing_is_told_any_more(api: ApiServer, demo: Tenant, log_groups: LogGroups) -> None:
    demo.user("ada")
    log_groups.put()
    assert demo(DELETE) == demo(DELETE) == {}
    send(api, "ada@demo.test")
    api.work()
    assert log_groups.events() == []
    answer = refused(demo, "DescribeEmailMonitoringConfiguration")
    assert answer[0] == "ResourceNotFoundException"
