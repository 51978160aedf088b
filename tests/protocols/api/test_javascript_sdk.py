"""The AWS SDK for JavaScript, version 3, as a program of its own under Node.js."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.api_server import ApiServer
from workpost.domain.access.accounts import create_access_key, create_account
from workpost.kernel.settings import Settings

ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / ".venv-node"
SDK = "node_modules/@aws-sdk/client-workmail/package.json"


def node() -> str:
    """The interpreter, where the SDK is there too; skips with the reason where it is not."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed (version 20 or later)")
    if not (PACKAGES / SDK).exists():
        pytest.skip("the SDK for JavaScript is not installed (script/test does where npm is)")
    return found


def test_the_javascript_sdk_walks_through_a_directory(tmp_path: Path) -> None:
    command = [node(), str(ROOT / "tests" / "javascript" / "directory.mjs")]
    api = ApiServer(Settings(data_dir=str(tmp_path / "data")))
    try:
        key = api.run(create_access_key(api.core, api.run(create_account(api.core))))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PACKAGES": str(PACKAGES),
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": api.url,
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        api.close()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "state": "Active",
        "pages": [["ada", "grace"], ["joan"]],
        "user": {"state": "ENABLED", "display": "Élodie ✉", "city": None},
        "enabledIsDate": True,
        "refusal": {
            "modelled": True,
            "name": "EntityNotFoundException",
            "status": 400,
            "requestId": True,
        },
    }
