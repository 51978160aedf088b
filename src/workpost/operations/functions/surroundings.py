"""What a worker process of a function finds around it: where the API is, whose key it has."""

from __future__ import annotations

import json
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

from workpost.domain.access.sessions import open_function_session
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.integrations.lambda_.local.plan import Surroundings, make_spec, name_of
from workpost.integrations.lambda_.local.pool import OLDEST_SECONDS, Plan
from workpost.kernel.configuration import FILES
from workpost.kernel.listeners import parse_address
from workpost.kernel.outside_settings import Function
from workpost.kernel.settings import Settings, sqlite_path
from workpost.store.core import Core

SESSION_SECONDS = int(OLDEST_SECONDS) + 1800
LOG_GROUP = "/aws/lambda/"
"""Log groups of functions; the function's name follows."""
ENDPOINTS = "endpoints.json"
SDK_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
SELF_SIGNED = "self-signed.crt"


async def plan_worker(core: Core, account: str, mapped: Function) -> Plan:
    """How to start a fresh worker. Raises FunctionFailed, TryLater."""
    id = core.env.new_hex()
    stream = stream_of(core.env.now(), id)
    session = await open_function_session(
        core, account=account, arn=mapped.arn, name=id, seconds=SESSION_SECONDS
    )
    endpoint, certificates = find_endpoint(core.settings)
    around = Surroundings(
        account=account,
        endpoint=endpoint,
        certificates=certificates,
        region=core.settings.api.region,
        access_key_id=session.access_key_id,
        secret_access_key=session.secret_access_key,
        session_token=session.session_token,
        log_group=LOG_GROUP + name_of(mapped.arn),
        log_stream=stream,
        hidden=tuple(str(path) for path in secret_paths(core.settings)),
        unconfined=core.settings.lambda_.unconfined,
    )
    return Plan(make_spec(mapped, around), stream)


def stream_of(now: int, id: str) -> str:
    """The name of a log stream, as Lambda makes them."""
    day = datetime.fromtimestamp(now // 1000, UTC)
    return f"{day:%Y/%m/%d}/[$LATEST]{id}"


def find_endpoint(settings: Settings) -> tuple[str, str]:
    """The URL of the API for processes of this machine, and whose certificates to trust for it.

    Raises FunctionFailed when there is none.
    """
    if settings.lambda_.endpoint:
        return settings.lambda_.endpoint, ""
    at = _running(settings)
    http = at.get("http") or next(iter(settings.listeners.http), "")
    if http:
        return f"http://{_near(http)}", ""
    https = at.get("https") or next(iter(settings.listeners.https), "")
    own = settings.tls_dir / SELF_SIGNED
    if not https:
        raise FunctionFailed(Trouble.REFUSED, "no listener is there that the function could call")
    if settings.tls.certificate or settings.acme.enabled or not own.exists():
        return f"https://{settings.host_name}:{parse_address(https)[1]}", ""
    return f"https://localhost:{parse_address(https)[1]}", own.read_text() + _authorities()


def _running(settings: Settings) -> dict[str, str]:
    """Addresses of the running server's listeners: ports may be others than the settings say."""
    try:
        told = json.loads((settings.run_dir / ENDPOINTS).read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: at.rpartition("/")[2] for name, at in told.items() if isinstance(at, str)}


def _near(address: str) -> str:
    """An address that a process of this machine reaches."""
    host, port = parse_address(address)
    if host in {"0.0.0.0", "::"}:
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _authorities() -> str:
    """The machine's own authorities, beside ours: a function calls others, too."""
    path = ssl.get_default_verify_paths().cafile
    return Path(path).read_text() if path else ""


def secret_paths(settings: Settings) -> list[Path]:
    """Every file and folder with secrets or data of Workpost that its settings name."""
    found = [settings.data, settings.keyring_path, *FILES]
    for url in (settings.keys_url, settings.database_url):
        if (path := sqlite_path(url)) is not None:
            # With what lies beside it: logs of the database are as good as the database.
            found += [path.with_name(path.name + each) for each in ("", "-wal", "-shm", "-journal")]
    # Credentials of the AWS SDK, which are Workpost's own.
    found += [Path.home() / ".aws"]
    named = [
        *(os.environ.get(name, "") for name in SDK_FILES),
        settings.tls.key,
        settings.outbound.relay_password_file,
        *(each.client_secret_file for each in settings.identity.providers),
        *(each.password_file for each in settings.directories.values()),
    ]
    found += [Path(each).absolute() for each in named if each]
    return found
