"""What is in packaging/: systemd can read it, and it agrees with what the program does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from workpost.cli import quickstart_files
from workpost.cli.common import EX_CONFIG, EX_TEMPFAIL, EX_USAGE
from workpost.cli.quickstart_files import Places

PACKAGING = Path(__file__).parents[1] / "packaging"
UNIT = PACKAGING / "systemd" / "workpost.service"
CONFINING = PACKAGING / "systemd" / "functions.conf"
PROGRAM = "/opt/workpost/.venv/bin/workpost"
NEEDED_BY_WORKERS = {"user", "mnt", "pid", "net", "ipc", "uts"}

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")


def directives(path: Path) -> dict[str, list[str]]:
    """Each key of a unit with its values, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def entries(name: str) -> list[list[str]]:
    """The lines of a file for sysusers or tmpfiles, as fields."""
    lines = (PACKAGING / "systemd" / name).read_text().splitlines()
    return [re.findall(r'"[^"]*"|\S+', line) for line in lines if not line.startswith("#")]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    """Where `workpost quickstart` puts things for root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(quickstart_files, "_user", lambda _: quickstart_files.SERVICE)
    return Places.of(None, None, None, None)


def test_the_unit_serves_as_the_user_that_sysusers_makes(places: Places) -> None:
    [[kind, name, _, _, home]] = entries("workpost.sysusers")
    unit = directives(UNIT)
    assert (kind, name, home) == ("u", places.user, str(places.data))
    assert unit["User"] == unit["Group"] == [name]


def test_the_unit_may_write_where_quickstart_puts_mail_and_keys(places: Places) -> None:
    unit = directives(UNIT)
    state = {f"/var/lib/{name}" for name in unit["StateDirectory"][0].split()}
    assert state == {str(places.data), str(places.keys)}
    made = {path: (mode, owner) for _, path, mode, owner, *_ in entries("workpost.tmpfiles")}
    mode = unit["StateDirectoryMode"][0]
    assert made == {
        str(places.data): (mode, places.user),
        str(places.keys): (mode, places.user),
        str(places.config.parent): ("0750", "root"),
    }


def test_every_command_of_the_unit_has_the_configuration_of_quickstart(places: Places) -> None:
    unit = directives(UNIT)
    commands = [*unit["ExecStart"], unit["ExecReload"][0]]
    assert commands == [
        f"{PROGRAM} serve --config {places.config}",
        f"{PROGRAM} config check --config {places.config}",
    ]
    # A command before the server's own would be tried again whatever its exit code says.
    assert "ExecStartPre" not in unit


def test_the_unit_does_not_try_again_what_stays_wrong() -> None:
    [codes] = directives(UNIT)["RestartPreventExitStatus"]
    assert {int(code) for code in codes.split()} == {EX_USAGE, EX_TEMPFAIL, EX_CONFIG}


def test_the_unit_waits_for_readiness_before_it_reloads() -> None:
    assert directives(UNIT)["Type"] == ["notify"]


def test_functions_get_the_namespaces_that_confine_them() -> None:
    unit = directives(CONFINING)
    assert set(unit["RestrictNamespaces"][-1].split()) == NEEDED_BY_WORKERS
    assert unit["RestrictNamespaces"][0] == ""
    assert unit["SystemCallFilter"] == ["@mount"]


@needs_systemd
def test_systemd_understands_every_directive(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The program is not installed here, and systemd looks for it.
    unit.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    (tmp_path / f"{UNIT.name}.d").mkdir()
    shutil.copy(CONFINING, tmp_path / f"{UNIT.name}.d")
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if UNIT.stem in line] == []
    assert done.returncode == 0, done.stderr


def test_the_container_is_made_of_what_its_context_has() -> None:
    text = (PACKAGING / "container" / "Containerfile").read_text()
    sources = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    }
    root = PACKAGING.parent
    ignored = (root / ".dockerignore").read_text().splitlines()
    assert sources == {line[1:] for line in ignored if line.startswith("!")}
    assert all((root / source).exists() for source in sources)
