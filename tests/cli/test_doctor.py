"""`workpost doctor` and `workpost selftest` as commands: exit codes, text, and no traces."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.support.dns import DnsServer
from workpost.cli.main import main


@pytest.fixture(autouse=True)
def dns_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    """A DNS server on a loop of its own, which is the one that is asked."""
    made, loop = DnsServer(), asyncio.new_event_loop()
    host, port = loop.run_until_complete(made.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setenv("WORKPOST_DNS__SERVERS", f"{host}:{port}")
    monkeypatch.setenv("WORKPOST_HOSTNAME", "mail.example.org")
    yield made
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    made.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_without_data_the_rest_is_looked_at_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert main(["doctor", "--data", str(data)]) == 1
    said = capsys.readouterr().out
    assert f"FAILURE data {data}/store/workpost.db: there is none" in said
    assert "          -> Name its directory by --data or --config" in said
    assert "FAILURE dns.address mail.example.org: there is no address in DNS" in said
    assert "-       queue: the data could not be opened" in said
    assert " failures, " in said.splitlines()[-1]
    assert not data.exists()


def test_data_of_another_version_is_not_brought_up_to_date_by_looking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "store" / "workpost.db"
    path.parent.mkdir()
    connection = apsw.Connection(str(path))
    connection.execute(
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied INTEGER);"
        "INSERT INTO schema_version VALUES (3, 0)"
    )
    connection.close()
    before = path.read_bytes()
    assert main(["doctor", "--json", "--data", str(tmp_path)]) == 1
    found = json.loads(capsys.readouterr().out)
    (about,) = [one for one in found["Findings"] if one["check"] == "data"]
    assert "another version" in about["text"]
    assert found["Counts"]["failure"] == sum(one["level"] == "failure" for one in found["Findings"])
    assert path.read_bytes() == before


def test_an_address_has_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", str(tmp_path), "--address", "mail.example.org"]) == 2
    assert "--address" in capsys.readouterr().err


def test_a_selftest_needs_data_a_domain_and_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(tmp_path / "data")
    assert main(["selftest", "--data", data]) == 78
    monkeypatch.setattr("workpost.cli.quickstart_files.SERVICE", "nobody-of-this-name")
    config = str(tmp_path / "workpost.toml")
    assert main(["quickstart", "ada@example.org", "--data", data, "--config", config]) == 0
    capsys.readouterr()
    assert main(["selftest", "--config", config]) == 1
    assert "the server does not run" in capsys.readouterr().err
    assert main(["selftest", "--config", config, "--domain", "x.example"]) == 1
    assert "no verified mail domain x.example" in capsys.readouterr().err
    endpoints = Path(data) / "run" / "endpoints.json"
    endpoints.parent.mkdir(exist_ok=True)
    where = dict.fromkeys(("smtp", "submission", "imaps"), "127.0.0.1:1")
    endpoints.write_text(json.dumps(where))
    assert main(["selftest", "--config", config]) == 1
    assert "ms  submission over TLS, logged in: the message was not taken" in (
        capsys.readouterr().out
    )
