"""The service models as botocore ships them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.support.api import services
from workpost.protocols.api import model
from workpost.protocols.api.wire.patterns import java_pattern

WORKMAIL = services()["workmail"].operations
FLOW = services()["workmailmessageflow"].operations
PAGINATED_BY_BOTOCORE = {
    "ListAliases", "ListAvailabilityConfigurations", "ListGroupMembers", "ListGroups",
    "ListMailboxPermissions", "ListOrganizations", "ListPersonalAccessTokens",
    "ListResourceDelegates", "ListResources", "ListUsers",
}  # fmt: skip


def test_all_actions_are_there() -> None:
    assert (len(WORKMAIL), len(FLOW)) == (92, 2)


def test_json_and_rest() -> None:
    assert services()["workmail"].target_prefix == "WorkMailService"
    assert not any(operation.rest for operation in WORKMAIL.values())
    assert FLOW["GetRawMessageContent"].uri == ("messages", "{messageId}")
    assert FLOW["GetRawMessageContent"].method == "GET"
    assert FLOW["GetRawMessageContent"].payload == "messageContent"


def test_pages() -> None:
    paginated = {name for name, operation in WORKMAIL.items() if operation.paginated}
    assert paginated > PAGINATED_BY_BOTOCORE
    assert len(paginated) == 15
    assert "ListAccessControlRules" not in paginated


def test_declared_errors_and_statuses() -> None:
    assert all(set(operation.errors.values()) <= {400} for operation in WORKMAIL.values())
    assert FLOW["GetRawMessageContent"].errors == {"ResourceNotFoundException": 404}
    assert FLOW["PutRawMessageContent"].errors["MessageFrozen"] == 400
    declaring = [one for one in WORKMAIL.values() if one.declares("InvalidParameterException")]
    assert len(declaring) == 85


def test_empty_outputs_tokens_and_organizations() -> None:
    assert WORKMAIL["DeleteUser"].empty
    assert not WORKMAIL["DescribeUser"].empty
    assert WORKMAIL["CreateOrganization"].token == "ClientToken"
    assert WORKMAIL["DescribeUser"].token == ""
    assert WORKMAIL["CreateUser"].idempotent


def test_sensitive_members() -> None:
    assert WORKMAIL["CreateUser"].sensitive_inputs == (
        "DisplayName",
        "Password",
        "FirstName",
        "LastName",
    )
    assert WORKMAIL["ListResources"].sensitive_outputs == ("Resources[].Description",)
    masked = WORKMAIL["CreateAvailabilityConfiguration"].mask_input(
        {"DomainName": "a.test", "EwsProvider": {"EwsPassword": "p", "EwsUsername": "u"}}
    )
    assert masked["EwsProvider"] == {"EwsPassword": "***", "EwsUsername": "u"}


@pytest.mark.parametrize("service", list(model.VERSIONS))
def test_every_pattern_of_an_input_is_understood(service: str) -> None:
    shapes = model.read_description(service)["shapes"]
    patterns = [shape["pattern"] for shape in shapes.values() if "pattern" in shape]
    assert patterns
    for pattern in patterns:
        java_pattern(pattern)


def test_delete_directory_may_be_left_out() -> None:
    """Clients with primitive booleans leave a false out, although the model requires it."""
    document = {"OrganizationId": "m-" + "0" * 32}
    assert WORKMAIL["DeleteOrganization"].validate(document) == (document, [])


def test_dmarc_enforcement_is_boxed_and_required() -> None:
    document = {"OrganizationId": "m-" + "0" * 32}
    assert WORKMAIL["PutInboundDmarcSettings"].validate(document)[1] == [
        "Value null at 'enforced' failed to satisfy constraint: Member must not be null"
    ]


def test_plain_and_packed_models(tmp_path: Path) -> None:
    description = model.read_description("workmailmessageflow")
    folder = tmp_path / "workmailmessageflow" / "2019-05-01"
    folder.mkdir(parents=True)
    with pytest.raises(model.ModelMissing, match="workmailmessageflow"):
        model.read_description("workmailmessageflow", tmp_path)
    (folder / "service-2.json").write_text(json.dumps(description))
    assert model.read_description("workmailmessageflow", tmp_path) == description
    (folder / "service-2.json.gz").write_bytes(gzip.compress(b"{}"))
    assert model.read_description("workmailmessageflow", tmp_path) == {}


def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(model.ModelMissing, match="not installed"):
        model.read_description("workmail")


# --- our own -------------------------------------------------------------------------------------

OWN = services()[model.CONSOLE]
GLOBAL_OPTIONS = {
    "CaBundle", "CliBinaryFormat", "CliConnectTimeout", "CliReadTimeout", "Color", "Debug",
    "EndpointUrl", "NoSignRequest", "Output", "PageSize", "Profile", "Query", "Region", "Version",
}  # fmt: skip
"""Of the AWS CLI: a member of this name could not be given."""


def test_our_own_actions_are_called_and_permitted_as_workmails() -> None:
    assert OWN.target_prefix == services()["workmail"].target_prefix
    assert {operation.service for operation in OWN.operations.values()} == {"workmail"}
    assert not OWN.operations.keys() & WORKMAIL.keys()
    assert {name for name, each in OWN.operations.items() if each.reads} == {
        name for name in OWN.operations if name.startswith(model.READING)
    }


def test_our_own_model_says_what_everything_is() -> None:
    description = model.read_description(model.CONSOLE)
    for name, operation in description["operations"].items():
        assert operation["documentation"], name
        for side in ("input", "output"):
            members = description["shapes"][operation[side]["shape"]]["members"]
            assert all(member["documentation"] for member in members.values()), name
    inputs = {name for each in OWN.operations.values() for name in each.inputs}
    assert not inputs & GLOBAL_OPTIONS


def test_our_own_model_has_no_shape_that_nothing_uses() -> None:
    description = model.read_description(model.CONSOLE)
    text = json.dumps([description["operations"], description["shapes"]])
    assert [name for name in description["shapes"] if f'"shape": "{name}"' not in text] == []


def test_our_own_lists_have_paginators() -> None:
    folder = model.OWN_MODELS / model.CONSOLE / model.VERSIONS[model.CONSOLE]
    pages = json.loads((folder / "paginators-1.json").read_text())["pagination"]
    assert set(pages) == {name for name, each in OWN.operations.items() if each.paginated}
    for name, page in pages.items():
        assert page["result_key"] in OWN.operations[name].outputs
