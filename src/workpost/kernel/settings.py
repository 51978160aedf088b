"""Settings: every key that an operator can set, typed and documented where it is defined.

Sources, the later one wins: the defaults below, a TOML file, the environment
(`WORKPOST_SECTION__KEY`, lists separated by commas), the command line (`--data`). Unknown keys and
impossible values are refused with one line, `SettingsError`; the command line then exits 78. Paths
in the file are relative to the file, all others to the working directory. Settings are frozen plain
data: they may cross into other processes.

`kernel/configuration.py` reads them; `docs/settings.md` is generated from here (`script/docs`).
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from workpost.kernel.directory_settings import Directory
from workpost.kernel.filter_settings import Filter
from workpost.kernel.limit_settings import Limits
from workpost.kernel.listener_settings import LISTENERS, UNIX, Addresses, Listeners
from workpost.kernel.mail_settings import Authentication, Dkim, Dmarc
from workpost.kernel.monitoring_settings import Monitoring
from workpost.kernel.operator_settings import Acme, Doctor, MtaSts
from workpost.kernel.outbound_settings import Outbound
from workpost.kernel.outside_settings import (
    Egress,
    Exports,
    Identity,
    Lambda,
    Outside,
    Retention,
)
from workpost.kernel.queue_settings import Mailflow, Queue, Sieve
from workpost.kernel.sections import LIVE, PATH, SECRET, Section, SettingsError
from workpost.kernel.smtp_settings import Smtp

__all__ = ["Section", "Settings", "SettingsError", "sqlite_path", "with_random_ports"]

Port = Annotated[int, Meta(ge=0, le=65535)]


class Tls(Section, frozen=True, kw_only=True):
    """Certificates. Without files a self-signed one is made under the data directory."""

    certificate: Annotated[
        str,
        Meta(description="PEM file, the server's certificate first.", extra=PATH | LIVE),
    ] = ""
    key: Annotated[
        str, Meta(description="PEM file of the certificate's private key.", extra=PATH | LIVE)
    ] = ""


class Login(Section, frozen=True, kw_only=True):
    """How people log in."""

    without_tls: Annotated[
        bool,
        Meta(description="Allow passwords without TLS where listener and peer are on loopback."),
    ] = False


class Database(Section, frozen=True, kw_only=True):
    """Where everything but keys and large contents is kept."""

    url: Annotated[
        str,
        Meta(
            description="`postgresql://...` or `sqlite:PATH`; empty: SQLite in the data directory.",
            extra=SECRET,
        ),
    ] = ""
    connections: Annotated[
        int, Meta(ge=1, le=100, description="PostgreSQL connections of each process.")
    ] = 8


class Keys(Section, frozen=True, kw_only=True):
    """The key store (apart from the data and its backups) and what wraps its keys."""

    url: Annotated[
        str,
        Meta(
            description="`postgresql://...`, or `sqlite:PATH`; empty: `keys/keys.db` in the data "
            "directory. Put it on another disk than the data.",
            extra=SECRET,
        ),
    ] = ""
    kms_key: Annotated[
        str,
        Meta(
            description="KMS key (id, alias or ARN) that wraps the organizations' keys; endpoint "
            "and credentials as the AWS SDK finds them. Empty: the local key ring."
        ),
    ] = ""
    keyring: Annotated[
        str,
        Meta(
            description="File of the local key ring; empty: `keys/keyring.json` in the data "
            "directory.",
            extra=PATH,
        ),
    ] = ""


class Content(Section, frozen=True, kw_only=True):
    """Where the sealed bytes of messages are kept."""

    inline_limit: Annotated[
        int,
        Meta(ge=0, le=1 << 20, description="Up to this many bytes, sealed, in the database."),
    ] = 65536
    s3_bucket: Annotated[
        str,
        Meta(
            description="Bucket for larger contents; endpoint and credentials as the AWS SDK finds "
            "them. Empty: files in the data directory."
        ),
    ] = ""
    s3_prefix: Annotated[str, Meta(description="What the names of our objects start with.")] = ""


class Api(Section, frozen=True, kw_only=True):
    """The Amazon WorkMail API."""

    region: Annotated[
        str,
        Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]+$", description="Region in signatures and ARNs."),
    ] = "us-east-1"
    throttle_account: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Calls a second of one account; 0: no limit.")
    ] = 0
    throttle_action: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Calls a second of each action of one account; 0: no limit.",
        ),
    ] = 0
    throttle_actions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z]+=[0-9]{1,6}$")], ...],
        Meta(description="The same for single actions, `CreateUser=10`; 0: no limit."),
    ] = ()
    throttle_burst: Annotated[
        int, Meta(ge=1, le=3600, description="Seconds worth of calls that may come at once.")
    ] = 2


class Organizations(Section, frozen=True, kw_only=True):
    """New organizations."""

    suffix: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
            description="An organization `demo` starts with the mail domain `demo.<suffix>`.",
        ),
    ] = "test"
    reserved_names: Annotated[
        tuple[str, ...],
        Meta(
            description="Names that no new user, group or resource may have, in any case.",
            extra=LIVE,
        ),
    ] = ("administrator", "amazonjournaling", "guest", "krbtgt")


class Dns(Section, frozen=True, kw_only=True):
    """Looking up the records of mail domains."""

    servers: Annotated[
        Addresses,
        Meta(description="DNS servers to ask, `host:port`; empty: the machine's own."),
    ] = ()
    force_verification: Annotated[
        bool,
        Meta(
            description="Let `workpost domain verify --force` take a domain as verified without a "
            "look into DNS: for installations that are cut off from it."
        ),
    ] = False


class Ops(Section, frozen=True, kw_only=True):
    """Health and metrics."""

    allow: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks beside loopback that `/healthz` and `/metrics` answer.",
            extra=LIVE,
        ),
    ] = ()


class Processes(Section, frozen=True, kw_only=True):
    """How Workpost uses the machine."""

    front_ends: Annotated[
        int,
        Meta(ge=0, le=256, description="Processes that serve clients; 0: one for each core."),
    ] = 0
    start_seconds: Annotated[
        int, Meta(ge=1, le=600, description="How long a process may take to become ready.")
    ] = 30


class Passwords(Section, frozen=True, kw_only=True):
    """Cost of argon2id; hashes of another cost are renewed at the next login."""

    time_cost: Annotated[int, Meta(ge=1, le=16, description="Passes.")] = 2
    memory_kib: Annotated[int, Meta(ge=8192, le=1 << 20, description="Memory, in KiB.")] = 19_456
    parallelism: Annotated[int, Meta(ge=1, le=16, description="Lanes.")] = 1


class Log(Section, frozen=True, kw_only=True):
    """Logs go to standard error and never hold a subject, body, password or token."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least severe lines to print.", extra=LIVE),
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="`auto`: text on a terminal, else JSON lines."),
    ] = "auto"


class Settings(Section, frozen=True, kw_only=True):
    """Top level."""

    data_dir: Annotated[
        str, Meta(description="The data directory; `--data` on the command line.", extra=PATH)
    ] = "data"
    hostname: Annotated[
        str, Meta(description="Name in greetings and headers; empty: the machine's own.")
    ] = ""
    listeners: Listeners = Listeners()
    tls: Tls = Tls()
    acme: Acme = Acme()
    mta_sts: MtaSts = MtaSts()
    login: Login = Login()
    database: Database = Database()
    keys: Keys = Keys()
    content: Content = Content()
    api: Api = Api()
    organizations: Organizations = Organizations()
    dns: Dns = Dns()
    authentication: Authentication = Authentication()
    dmarc: Dmarc = Dmarc()
    dkim: Dkim = Dkim()
    identity: Identity = Identity()
    limits: Limits = Limits()
    smtp: Smtp = Smtp()
    mailflow: Mailflow = Mailflow()
    filter: Filter = Filter()
    sieve: Sieve = Sieve()
    queue: Queue = Queue()
    outbound: Outbound = Outbound()
    outside: Outside = Outside()
    monitoring: Monitoring = Monitoring()
    exports: Exports = Exports()
    retention: Retention = Retention()
    egress: Egress = Egress()
    lambda_: Lambda = msgspec.field(default=Lambda(), name="lambda")
    ops: Ops = Ops()
    doctor: Doctor = Doctor()
    processes: Processes = Processes()
    passwords: Passwords = Passwords()
    log: Log = Log()
    directories: dict[Annotated[str, Meta(pattern=r"^d-[0-9a-f]{10}$")], Directory] = msgspec.field(
        default_factory=dict
    )

    # --- what follows from the keys: the layout of the data directory ---

    @property
    def host_name(self) -> str:
        """`hostname` with its default filled in."""
        return self.hostname or _machine_name()

    @property
    def data(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data_dir).absolute()

    @property
    def run_dir(self) -> Path:
        """Lock, endpoints.json, sockets and metrics of the running server."""
        return self.data / "run"

    @property
    def content_dir(self) -> Path:
        """Contents too large for the database, where no bucket is set."""
        return self.data / "content"

    @property
    def tls_dir(self) -> Path:
        """The self-signed certificate."""
        return self.data / "tls"

    @property
    def policies_dir(self) -> Path:
        """MTA-STS policies of other domains, kept over restarts."""
        return self.data / "policies"

    @property
    def outside_dir(self) -> Path:
        """The tenants' own mapped buckets and log groups of the embedded kind."""
        return self.data / "outside"

    @property
    def database_url(self) -> str:
        """`database.url` with its default filled in."""
        return self.database.url or f"sqlite:{self.data / 'store' / 'workpost.db'}"

    @property
    def keys_url(self) -> str:
        """`keys.url` with its default filled in."""
        return self.keys.url or f"sqlite:{self.data / 'keys' / 'keys.db'}"

    @property
    def keyring_path(self) -> Path:
        """`keys.keyring` with its default filled in."""
        return Path(self.keys.keyring or self.data / "keys" / "keyring.json").absolute()

    @property
    def front_ends(self) -> int:
        """`processes.front_ends` with its default filled in."""
        return self.processes.front_ends or len(os.sched_getaffinity(0))


@cache
def _machine_name() -> str:
    """Asked once: each message has the name in it several times."""
    return socket.gethostname() or "localhost"


def sqlite_path(url: str) -> Path | None:
    """Return the file of a `sqlite:PATH` URL, None for any other engine."""
    return Path(url.removeprefix("sqlite:")) if url.startswith("sqlite:") else None


def with_random_ports(settings: Settings) -> Settings:
    """Put every listener that is on to a free loopback port (`--random-ports`)."""
    loopback: dict[str, Any] = {}
    for name in LISTENERS:
        addresses = getattr(settings.listeners, name)
        kept = tuple(address for address in addresses if address.startswith(UNIX))
        if addresses != kept:
            loopback[name] = ("127.0.0.1:0", *kept)
    return msgspec.structs.replace(
        settings, listeners=msgspec.structs.replace(settings.listeners, **loopback)
    )
