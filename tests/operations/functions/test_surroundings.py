"""Where a function finds the API, and what of Workpost's it must not find."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workpost.integrations.lambda_.base import FunctionFailed
from workpost.kernel import configuration
from workpost.kernel.configuration import effective, load
from workpost.kernel.listener_settings import Listeners
from workpost.kernel.outside_settings import Lambda
from workpost.kernel.settings import Keys, Settings, SettingsError, Tls
from workpost.operations.functions.surroundings import find_endpoint, secret_paths

FUNCTION = """
[[lambda.functions]]
arn = "arn:aws:lambda:us-east-1:111122223333:function:tag"
accounts = ["111122223333"]
kind = "callable"
"""


def settings(data: Path, **values: object) -> Settings:
    return Settings(data_dir=str(data), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("http", "found"),
    [
        (("127.0.0.1:8480",), "http://127.0.0.1:8480"),
        (("0.0.0.0:80",), "http://127.0.0.1:80"),
        (("[::]:8480",), "http://[::1]:8480"),
    ],
)
def test_http_on_this_machine(tmp_path: Path, http: tuple[str, ...], found: str) -> None:
    assert find_endpoint(settings(tmp_path, listeners=Listeners(http=http))) == (found, "")


def test_the_running_server_knows_better(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    told = {"http": "http://127.0.0.1:41234", "pid": 1}
    (tmp_path / "run" / "endpoints.json").write_text(json.dumps(told))
    assert find_endpoint(settings(tmp_path)) == ("http://127.0.0.1:41234", "")
    wanted = Lambda(endpoint="https://mail.example.test")
    assert find_endpoint(settings(tmp_path, lambda_=wanted))[0] == "https://mail.example.test"


def test_https_with_our_own_certificate_and_with_one_of_an_authority(tmp_path: Path) -> None:
    only = Listeners(http=(), https=("0.0.0.0:8443",))
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "self-signed.crt").write_text("CERTIFICATE")
    url, trusted = find_endpoint(settings(tmp_path, listeners=only))
    assert url == "https://localhost:8443"
    assert trusted.startswith("CERTIFICATE")
    proper = Tls(certificate="/etc/c.pem", key="/etc/k.pem")
    named = settings(tmp_path, listeners=only, tls=proper, hostname="mail.example.test")
    assert find_endpoint(named) == ("https://mail.example.test:8443", "")


def test_no_listener_at_all(tmp_path: Path) -> None:
    with pytest.raises(FunctionFailed, match="no listener"):
        find_endpoint(settings(tmp_path, listeners=Listeners(http=(), https=())))


def test_every_secret_that_settings_name_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "FILES", configuration.FILES)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/etc/aws-credentials")
    file = tmp_path / "workpost.toml"
    file.write_text('[keys]\nkeyring = "elsewhere/ring.json"\n')
    found = set(map(str, secret_paths(load(str(file), tmp_path / "data", {}))))
    assert {
        str(file),
        str(tmp_path / "data"),
        str(tmp_path / "elsewhere" / "ring.json"),
        "/etc/aws-credentials",
    } <= found
    keys = settings(tmp_path, keys=Keys(url="sqlite:/keys/keys.db"), tls=Tls(key="/etc/k.pem"))
    assert {"/keys/keys.db", "/keys/keys.db-wal", "/etc/k.pem"} <= set(map(str, secret_paths(keys)))


def test_callables_need_a_handler_and_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "workpost.toml"
    for more, missing in (("", "handler"), ('handler = "app.handler"', "path")):
        file.write_text(FUNCTION + more)
        with pytest.raises(SettingsError, match=f"has no {missing}"):
            load(str(file), None, {})
    file.write_text(FUNCTION + 'handler = "app"\npath = "code"')
    with pytest.raises(SettingsError, match="handler"):
        load(str(file), None, {})
    file.write_text('[lambda]\nendpoint = "ftp://x"')
    with pytest.raises(SettingsError, match=r"lambda\.endpoint"):
        load(str(file), None, {})


def test_paths_are_relative_to_the_file_and_variables_are_masked(tmp_path: Path) -> None:
    file = tmp_path / "workpost.toml"
    lines = 'handler = "app.handler"\npath = "code"\nenvironment = ["TOKEN=secret"]\n'
    file.write_text(FUNCTION + lines)
    loaded = load(str(file), None, {})
    [function] = loaded.lambda_.functions
    assert function.path == str(tmp_path / "code")
    assert function.environment == ("TOKEN=secret",)
    [shown] = effective(loaded)["lambda.functions"]
    assert shown.environment == ("TOKEN=********",)
