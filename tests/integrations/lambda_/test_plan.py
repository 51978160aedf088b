"""From a mapping to how its worker is started: what it sees, and what it never does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.integrations.lambda_.local import calls
from workpost.integrations.lambda_.local.plan import (
    CERTIFICATES,
    HOSTS,
    SDK,
    Surroundings,
    _outermost,
    _prefixes,
    make_spec,
)
from workpost.kernel.outside_settings import Function

ARN = "arn:aws:lambda:us-east-1:111122223333:function:tag"


def around(endpoint: str = "http://127.0.0.1:8480", **values: object) -> Surroundings:
    defaults = {
        "region": "us-east-1",
        "access_key_id": "ASIA",
        "secret_access_key": "secret",
        "session_token": "token",
        "log_group": "/aws/lambda/tag",
        "log_stream": "stream",
        "hidden": ("/var/lib/workpost",),
    }
    return Surroundings(endpoint=endpoint, **{**defaults, **values})  # type: ignore[arg-type]


def mapped(**values: object) -> Function:
    defaults = {
        "arn": ARN,
        "accounts": ("111122223333",),
        "kind": "callable",
        "handler": "app.handler",
        "path": "/srv/functions",
    }
    return Function(**{**defaults, **values})  # type: ignore[arg-type]


def test_the_api_is_all_that_a_name_leads_to() -> None:
    spec = make_spec(mapped(), around("https://mail.example.test"))
    assert spec.network == ("mail.example.test", 443)
    assert spec.files[HOSTS] == "127.0.0.1 localhost\n127.0.0.1 mail.example.test\n"
    assert spec.environment["AWS_ENDPOINT_URL"] == "https://mail.example.test"
    spec = make_spec(mapped(), around("http://[2001:db8::1]:8480"))
    assert spec.network == ("2001:db8::1", 8480)
    assert spec.environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:8480"
    spec = make_spec(mapped(network="any"), around("http://192.0.2.1:8480"))
    assert spec.network is None
    assert spec.environment["AWS_ENDPOINT_URL"] == "http://192.0.2.1:8480"
    assert HOSTS not in spec.files


def test_certificates_and_settings_of_the_sdk_are_files() -> None:
    spec = make_spec(mapped(), around(certificates="PEM"))
    assert spec.files[CERTIFICATES] == "PEM"
    assert spec.environment["AWS_CA_BUNDLE"] == CERTIFICATES
    assert spec.environment["AWS_CONFIG_FILE"] == SDK
    assert "addressing_style = path" in spec.files[SDK]
    assert "AWS_CA_BUNDLE" not in make_spec(mapped(), around()).environment


def test_variables_of_the_mapping_come_last() -> None:
    spec = make_spec(mapped(environment=("AWS_REGION=eu-west-1", "A=b=c")), around())
    assert spec.environment["AWS_REGION"] == "eu-west-1"
    assert spec.environment["A"] == "b=c"


def test_versions_and_aliases() -> None:
    assert make_spec(mapped(), around()).environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    spec = make_spec(mapped(arn=f"{ARN}:7"), around())
    assert spec.environment["AWS_LAMBDA_FUNCTION_VERSION"] == "7"
    assert spec.environment["AWS_LAMBDA_FUNCTION_NAME"] == "tag"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_users_by_name_and_number() -> None:
    assert make_spec(mapped(user="nobody"), around()).uid == 65534
    assert make_spec(mapped(user="12345"), around()).uid == 12345
    with pytest.raises(FunctionFailed) as caught:
        make_spec(mapped(user="nobody-of-this-name"), around())
    assert caught.value.trouble is Trouble.REFUSED


def test_a_link_to_python_does_not_show_the_folders_around_it(tmp_path: Path) -> None:
    """`/root/bin/python`, which leads somewhere else, must not make `/root` visible."""
    home = tmp_path / "root"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    shown = _prefixes(str(home / "bin" / "python"))
    assert str(home) not in shown
    assert set(shown) == {str(Path(sys.executable).resolve().parents[1])}


def test_an_environment_is_shown_with_the_python_below_it(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin" / "python").symlink_to("python3")
    (venv / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
    shown = set(_prefixes(str(venv / "bin" / "python")))
    assert shown == {str(venv), str(Path(sys.executable).resolve().parents[1])}


def test_folders_within_others_are_shown_once() -> None:
    assert _outermost(["/a/b", "/a", "/ab", "/usr/lib/python3", "/a"]) == ["/a", "/ab"]


def test_secrets_are_not_in_what_is_printed() -> None:
    assert "secret" not in repr(around())
    assert "token" not in repr(around())


# --- the filter of system calls -------------------------------------------------------------------


def run(program: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """What a kernel does with the filter."""
    import struct

    lines = list(struct.iter_unpack("=HBBI", program))
    data = {0: number, 4: architecture, 16: argument}
    at = value = 0
    while True:
        code, yes, no, k = lines[at]
        at += 1
        if code == 0x20:
            value = data[k]
        elif code == 0x06:
            return k
        else:
            holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
            at += yes if holds else no


ALLOW, KILL, REFUSED, UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


@pytest.mark.parametrize(
    ("machine", "architecture", "allowed", "refused", "clone", "socket"),
    [
        ("x86_64", 0xC000003E, (0, 1, 39, 59, 231), (101, 165, 272, 319, 425), 56, 41),
        ("aarch64", 0xC00000B7, (63, 64, 172, 221, 94), (117, 40, 97, 279, 425), 220, 198),
    ],
)
def test_system_calls(
    machine: str,
    architecture: int,
    allowed: tuple[int, ...],
    refused: tuple[int, ...],
    clone: int,
    socket: int,
) -> None:
    program = calls.program(machine)
    assert program is not None
    for number in allowed:
        assert run(program, architecture, number) == ALLOW
    for number in refused:
        assert run(program, architecture, number) == REFUSED
    assert run(program, architecture, clone, 17) == ALLOW
    for flag in (0x20000, 0x10000000, 0x20000000, 0x40000000):
        assert run(program, architecture, clone, flag | 17) == REFUSED
    assert run(program, architecture, 435) == UNKNOWN
    for family in (2, 10, 16):
        assert run(program, architecture, socket, family) == ALLOW
    for family in (1, 17, 38, 40):
        assert run(program, architecture, socket, family) == REFUSED
    assert run(program, architecture ^ 1, 0) == KILL
    assert run(program, architecture, 0x40000000) == UNKNOWN


def test_architectures_that_are_not_known() -> None:
    assert calls.program("pdp11") is None
