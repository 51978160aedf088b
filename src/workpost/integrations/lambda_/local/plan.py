"""From what the operator says of a callable to how its worker is started."""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.integrations.lambda_.local.network import source_of
from workpost.integrations.lambda_.local.spec import Spec
from workpost.integrations.lambda_.local.worker import program
from workpost.kernel.outside_settings import Function

PROCESSES = 64
"""Processes and threads of one worker."""
CERTIFICATES = "/etc/workpost-ca.pem"
HOSTS = "/etc/hosts"
SDK = "/etc/workpost-sdk"
SDK_SETTINGS = "[default]\ns3 =\n  addressing_style = path\n"
"""For the AWS SDK: buckets have no host names of their own here."""
MEGABYTE = 1 << 20


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker finds around it, beside its own settings."""

    account: str = ""
    """Whose functions the worker runs for."""
    endpoint: str
    """URL of the API."""
    certificates: str = ""
    """PEM of the authorities that the API's certificate is checked with, "": the machine's."""
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    log_group: str
    log_stream: str
    hidden: tuple[str, ...]
    """Files and folders that it must not see."""
    unconfined: bool = False

    def __repr__(self) -> str:
        return f"Surroundings({self.access_key_id!r})"


def name_of(arn: str) -> str:
    """The name of a function in its ARN."""
    return arn.split(":")[6]


def make_spec(mapped: Function, around: Surroundings) -> Spec:
    """How to start a worker of a callable. Raises FunctionFailed REFUSED for an unknown user."""
    interpreter = _interpreter(mapped)
    uid, gid = _user(mapped.user) if os.geteuid() == 0 else (0, 0)
    files = {SDK: SDK_SETTINGS}
    if around.certificates:
        files[CERTIFICATES] = around.certificates
    code = os.path.realpath(mapped.path)
    place = _place(around.endpoint)
    if mapped.network == "api":
        files[HOSTS] = f"127.0.0.1 localhost\n127.0.0.1 {place[0]}\n"
        around = msgspec.structs.replace(around, endpoint=_inside(around.endpoint))
    return Spec(
        python=interpreter,
        source=program(),
        environment=_environment(mapped, around, code),
        folder=code,
        visible=_outermost([code, *_prefixes(interpreter)]),
        hidden=sorted({each for path in around.hidden for each in _names(path)}),
        files=files,
        memory=mapped.memory_megabytes * MEGABYTE,
        tmp=mapped.tmp_megabytes * MEGABYTE,
        processes=PROCESSES,
        uid=uid,
        gid=gid,
        unconfined=around.unconfined,
        network=place if mapped.network == "api" else None,
        address=source_of(around.account, mapped.arn),
    )


def _place(endpoint: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(endpoint)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _inside(endpoint: str) -> str:
    """A URL as it is where every name leads to loopback: addresses do not."""
    parts = urlsplit(endpoint)
    try:
        ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return endpoint
    return parts._replace(netloc=f"127.0.0.1:{_place(endpoint)[1]}").geturl()


def _interpreter(mapped: Function) -> str:
    return str(Path(mapped.venv).absolute() / "bin" / "python") if mapped.venv else sys.executable


def _user(name: str) -> tuple[int, int]:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if name.isdigit():
            return int(name), int(name)
        raise FunctionFailed(Trouble.REFUSED, f"there is no user {name}") from None
    return entry.pw_uid, entry.pw_gid


def _environment(mapped: Function, around: Surroundings, code: str) -> dict[str, str]:
    version = mapped.arn.split(":")[7] if mapped.arn.count(":") > 6 else "$LATEST"
    made = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - its own
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_ACCESS_KEY_ID": around.access_key_id,
        "AWS_SECRET_ACCESS_KEY": around.secret_access_key,
        "AWS_SESSION_TOKEN": around.session_token,
        "AWS_REGION": around.region,
        "AWS_DEFAULT_REGION": around.region,
        "AWS_ENDPOINT_URL": around.endpoint,
        "AWS_ENDPOINT_URL_S3": around.endpoint,
        "AWS_CONFIG_FILE": SDK,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Checksums of newer SDKs are neither stored nor checked by all that stands behind buckets.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python",
        "AWS_LAMBDA_FUNCTION_NAME": name_of(mapped.arn),
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(mapped.memory_megabytes),
        "AWS_LAMBDA_LOG_GROUP_NAME": around.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": around.log_stream,
        "LAMBDA_TASK_ROOT": code,
        "_HANDLER": mapped.handler,
    }
    if around.certificates:
        made["AWS_CA_BUNDLE"] = CERTIFICATES
    made |= dict(each.split("=", 1) for each in mapped.environment)
    return made


def _prefixes(interpreter: str) -> list[str]:
    """The installations of Python that an interpreter belongs to, its links followed one by one."""
    found = []
    path = interpreter
    for _ in range(16):
        prefix = os.path.dirname(os.path.dirname(path))
        if _is_python(prefix):
            found.append(prefix)
        if not os.path.islink(path):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    real = os.path.dirname(os.path.dirname(os.path.realpath(interpreter)))
    return [*found, real] if _is_python(real) else found


def _is_python(prefix: str) -> bool:
    """Whether a folder is a Python's own: a link in `/root/bin` must not make `/root` visible."""
    if os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
        return True
    return any(Path(prefix).glob("lib/python3*/os.py"))


def _outermost(paths: Iterable[str]) -> list[str]:
    """Without what the system's folders or others of the list hold already."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(path == each or path.startswith(f"{each}/") for each in ("/usr", *kept)):
            kept.append(path)
    return kept


def _names(path: str) -> set[str]:
    """A path as it is written and as it is, links followed."""
    return {os.path.abspath(path), os.path.realpath(path)}
