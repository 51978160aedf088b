"""`workpost quickstart`: what it refuses, what it writes, and that it loses no secret."""

from __future__ import annotations

import datetime as dt
import grp
import json
import os
import pwd
import re
import secrets
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import command_line
from workpost.cli.main import main
from workpost.cli.quickstart_files import Places, make_places
from workpost.kernel import configuration
from workpost.kernel.settings import SettingsError
from workpost.operations.setup import founding
from workpost.operations.setup.configuration import PORTS, Wish, compose
from workpost.operations.setup.founding import alias_of, new_password
from workpost.protocols.listening.tls import ensure_self_signed


@pytest.fixture(autouse=True)
def _somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process nobody becomes the service's user, whoever runs the tests."""
    monkeypatch.setattr("workpost.cli.quickstart_files.SERVICE", "nobody-of-this-name")


def arguments(folder: Path, *more: str, address: str = "ada@example.org") -> list[str]:
    return [
        *("quickstart", address, "--data", str(folder / "data")),
        *("--config", str(folder / "workpost.toml"), *more),
    ]


# --- arguments ---


@pytest.mark.parametrize(
    ("address", "more", "text"),
    [
        ("ada", [], "is not an address"),
        ("ada@", [], "is not an address"),
        ("ada@[127.0.0.1]", [], "is not an address"),
        ("ada@example.org", ["--tls", "magic"], "magic is none of"),
        ("ada@example.org", ["--tls", "files", "a.pem"], "needs the certificate and its key"),
        ("ada@example.org", ["--tls", "self-signed", "a.pem"], "stands alone"),
        ("ada@example.org", ["--tls", "acme"], "--agree-tos"),
        ("ada@example.org", ["--hostname", "mail"], "not a whole host name"),
        ("ada@example.org", ["--hostname", "192.0.2.1"], "not a whole host name"),
        ("ada@example.org", ["--hostname", "Example.org"], "a name of its own"),
    ],
)
def test_usage_errors_make_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, more: list[str], text: str
) -> None:
    assert main(arguments(tmp_path, *more, address=address)) == 2
    assert text in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- the file ---


@pytest.mark.parametrize("tls", ["files", "acme", "self-signed"])
@pytest.mark.parametrize("low", [True, False])
def test_the_file_can_be_read_back(tmp_path: Path, tls: Any, low: bool) -> None:
    wish = Wish(
        address="ada@example.org",
        hostname="mail.example.org",
        data=str(tmp_path / 'a "quoted" folder'),
        keys=str(tmp_path / "keys"),
        tls=tls,
        certificate="/x/cert.pem" if tls == "files" else "",
        key="/x/key.pem" if tls == "files" else "",
        low_ports=low,
    )
    file = tmp_path / "workpost.toml"
    file.write_text(compose(wish))
    settings = configuration.load(file, None, {})

    assert settings.data == tmp_path / 'a "quoted" folder'
    assert settings.keyring_path == tmp_path / "keys" / "keyring.json"
    for name, ports in PORTS.items():
        port = ports[0] if low else ports[1]
        assert getattr(settings.listeners, name) == (f"0.0.0.0:{port}", f"[::]:{port}")
    assert settings.listeners.http == ("127.0.0.1:8480",), "the API without TLS is for loopback"
    assert settings.acme.enabled == (tls == "acme")
    assert bool(settings.listeners.acme) == (tls == "acme")
    assert settings.organizations.suffix == "mail.example.org"


def test_acme_needs_agreement_and_a_name(tmp_path: Path) -> None:
    def load(**changes: str) -> None:
        values = {"HOSTNAME": "mail.example.org", "ACME__ENABLED": "true"}
        values |= {"ACME__AGREE_TOS": "true", **changes}
        configuration.load(None, tmp_path, {f"WORKPOST_{k}": v for k, v in values.items()})

    load()
    with pytest.raises(SettingsError, match="acme.agree_tos"):
        load(ACME__AGREE_TOS="false")
    with pytest.raises(SettingsError, match="hostname: acme needs a whole host name"):
        load(HOSTNAME="mail")
    with pytest.raises(SettingsError, match=r"acme.names"):
        load(ACME__NAMES="192.0.2.1")
    with pytest.raises(SettingsError, match="leave tls.certificate empty"):
        load(TLS__CERTIFICATE="a", TLS__KEY="b")


# --- what is made ---


def test_files_that_do_not_fit_are_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.pem")
    assert main(arguments(tmp_path, "--tls", "files", missing, missing)) == 78
    assert "missing.pem" in capsys.readouterr().err
    assert not (tmp_path / "data" / "store").exists()


def test_files_are_named_in_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pem = ensure_self_signed(tmp_path / "tls", "mail.example.org", dt.datetime.now(dt.UTC))
    assert main(arguments(tmp_path, "--tls", "files", str(pem), str(pem))) == 0
    said = capsys.readouterr().out
    assert tomllib.loads((tmp_path / "workpost.toml").read_text())["tls"]["key"] == str(pem)
    assert "; _25._tcp.mail.example.org. 3600 IN TLSA 3 1 1 " in said, "a comment: needs DNSSEC"


def test_secrets_go_into_a_file_that_only_its_owner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secrets.txt"
    assert main(arguments(tmp_path, "--secrets", str(file))) == 0
    said = capsys.readouterr().out
    kept = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = kept.partition("password")[2].split()[0]
    assert len(password) >= 20
    assert password not in said
    assert f"are in {file}.\n" in said
    assert not (tmp_path / "data" / founding.SECRETS).exists()
    # A file that is there is somebody's: nothing is made, nothing overwritten.
    other = tmp_path / "other"
    other.mkdir()
    assert main(arguments(other, "--secrets", str(file))) == 1
    assert file.read_text() == kept


def test_a_run_that_is_cut_short_loses_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever step breaks: the next run goes on, and tells the password that works."""
    for step in ("_domain", "_person", "create_access_key"):
        with monkeypatch.context() as broken:

            async def fail(*_: Any, **__: Any) -> None:
                raise OSError("the machine was switched off")

            broken.setattr(founding, step, fail)
            assert main(arguments(tmp_path)) == 1
        held = json.loads((tmp_path / "data" / founding.SECRETS).read_bytes())
    with monkeypatch.context() as broken:

        def hang_up(*_: Any) -> None:
            raise BrokenPipeError

        broken.setattr("workpost.cli.quickstart_run.print_secrets", hang_up)
        assert main(arguments(tmp_path)) == 1
    capsys.readouterr()
    assert main(arguments(tmp_path)) == 0
    said = capsys.readouterr().out
    assert held["password"] in said
    assert "secret access key" in said
    assert not (tmp_path / "data" / founding.SECRETS).exists()


def test_an_installation_is_not_set_up_for_somebody_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path)) == 0
    assert main(arguments(tmp_path, address="grace@example.org")) == 78
    assert "was set up for ada@example.org" in capsys.readouterr().err
    assert main(arguments(tmp_path, "--hostname", "mx.example.org")) == 78
    other = ["quickstart", "ada@example.org", "--data", str(tmp_path / "x")]
    assert main([*other, "--config", str(tmp_path / "workpost.toml")]) == 78


def test_an_alias_of_somebody_else_is_not_taken_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path)) == 0
    for name in (founding.STATE,):
        (tmp_path / "data" / name).unlink()
    capsys.readouterr()
    assert main(arguments(tmp_path)) == 1
    assert "choose an --alias" in capsys.readouterr().err


def test_without_low_ports_the_operator_is_told_what_to_lead_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workpost.cli.quickstart_run.can_bind_low_ports", lambda: False)
    assert main(arguments(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "25 to 2525, 465 to 2465" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_makes_everything_for_the_user_who_serves(tmp_path: Path) -> None:
    places = Places.of(str(tmp_path / "data"), None, str(tmp_path / "etc" / "w.toml"), "nobody")
    make_places(places)
    places.write_config("# nothing\n")

    for folder in (places.data, places.keys):
        assert (folder.owner(), stat.S_IMODE(folder.stat().st_mode)) == ("nobody", 0o700)
    config = places.config.stat()
    assert (config.st_uid, stat.S_IMODE(config.st_mode)) == (0, 0o640), "read, never written"
    assert places.config.group() == grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_the_user_who_serves_has_to_be_able_to(tmp_path: Path) -> None:
    """Either everything is theirs, or it is said why they cannot run what root can."""
    for folder in (*tmp_path.parents, tmp_path):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o711)
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    done = command_line(*arguments(there, "--user", "nobody"))
    if done.returncode:
        assert re.search(r"nobody cannot read /\S+: install Workpost", done.stderr), done.stderr
    else:
        assert "The commands run as nobody" in done.stdout
    assert {path.owner() for path in (there / "data").rglob("*")} <= {"nobody"}
    done = command_line(*arguments(tmp_path, "--user", "nobody-of-this-name"))
    assert (done.returncode, "no user" in done.stderr) == (1, True)


def test_names_of_organizations_come_from_the_domain() -> None:
    assert alias_of("example.org") == "example"
    assert alias_of("müller.example") == "m-ller"
    assert alias_of("ööö.example") == "mail"
    assert len({new_password() for _ in range(10)}) == 10


def test_passwords_are_never_taken_for_an_option_of_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: "-" * size)
    assert new_password()[0].isalpha()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sets up for somebody else")
def test_a_certificate_that_who_serves_cannot_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pem = tmp_path / "live.pem"
    made = ensure_self_signed(tmp_path / "made", "mail.example.org", dt.datetime.now(dt.UTC))
    pem.write_bytes(made.read_bytes())
    pem.chmod(0o600)
    more = ("--tls", "files", str(pem), str(pem), "--user", "nobody")
    assert main(arguments(tmp_path, *more)) == 1
    assert f"nobody cannot read {pem}" in capsys.readouterr().err
    assert not (tmp_path / "data" / "quickstart.json").exists()
