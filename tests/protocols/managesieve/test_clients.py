"""A client of others: Debian's sieve-connect, over TLS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.protocols.managesieve.conftest import World
from tests.support.directories import PASSWORD
from tests.support.peers import require_peer


@pytest.mark.peer("sieve-connect")
def test_sieve_connect(world: World, user: str, certificate: Any, tmp_path: Path) -> None:
    program = require_peer("sieve-connect")
    host, port = world.addresses["strict"]
    authority = certificate.parent / "self-signed.crt"

    def run(*arguments: str) -> str:
        reading, writing = os.pipe()
        os.write(writing, PASSWORD.encode() + b"\n")
        os.close(writing)
        try:
            done = subprocess.run(
                [program, "--server", host, "--port", str(port), "--user", user,
                 "--passwordfd", str(reading), "--authmech", "PLAIN", "--nosrv",
                 "--tlscafile", str(authority), "--tlshostname", "localhost", *arguments],
                pass_fds=[reading], capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        finally:
            os.close(reading)
        assert done.returncode == 0, done.stderr
        return done.stdout

    script = tmp_path / "rules.sieve"
    script.write_text('require "fileinto";\nfileinto "Archive";\n')
    run("--localsieve", str(script), "--remotesieve", "rules", "--upload")
    run("--remotesieve", "rules", "--activate")
    assert '"rules" ACTIVE' in run("--list")
    back = tmp_path / "back.sieve"
    run("--remotesieve", "rules", "--localsieve", str(back), "--download")
    assert back.read_text().split() == script.read_text().split()
    run("--deactivate")
    run("--remotesieve", "rules", "--delete")
    assert "rules" not in run("--list")
