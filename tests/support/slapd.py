"""A real OpenLDAP for the tests: one server a session, with a tree for each kind of directory.

`open` is OpenLDAP as it is; `active` has the attributes of Active Directory.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import struct
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldap3

from tests.support.peers import require_peer
from tests.support.processes import Peer, accepts, dying_with_us, free_port
from workpost.kernel.directory_settings import Directory
from workpost.protocols.listening.tls import ensure_self_signed

SCHEMAS = ("core", "cosine", "inetorgperson")
MODULES = Path("/usr/lib/ldap")
ADMIN_PASSWORD = "administrator-of-the-tests"
READER_PASSWORD = "reader-of-the-tests"
KINDS = {"open": "openldap", "active": "active-directory"}


class Slapd:
    """One server on loopback, with and without TLS; `stop` and `start` keep its data."""

    def __init__(self) -> None:
        self._program = require_peer("slapd")
        self._folder = Path(tempfile.mkdtemp(prefix="wp-ldap-"))
        self.port, self.tls_port = free_port(), free_port()
        now = dt.datetime.now(dt.UTC)
        ensure_self_signed(self._folder / "tls", "localhost", now)
        self.ca_file = self._folder / "tls" / "self-signed.crt"
        self._password_file = self._folder / "reader"
        self._password_file.write_text(f"{READER_PASSWORD}\n")
        self._configuration = self._folder / "slapd.conf"
        self._configuration.write_text(self._configure())
        self.start()
        for tree in KINDS:
            self._plant(tree)

    def _configure(self) -> str:
        own = Path(__file__).with_name("active_directory.schema")
        lines = [
            *(f"include /etc/ldap/schema/{name}.schema" for name in SCHEMAS),
            f"include {own}",
            f"modulepath {MODULES}",
            *(f"moduleload {name}" for name in ("back_mdb", "memberof", "ppolicy")),
            f"pidfile {self._folder / 'pid'}",
            f"TLSCertificateFile {self._folder / 'tls' / 'self-signed.pem'}",
            f"TLSCertificateKeyFile {self._folder / 'tls' / 'self-signed.pem'}",
            "sizelimit size.soft=50 size.hard=50 size.pr=20 size.prtotal=unlimited",
        ]
        for tree in KINDS:
            folder = self._folder / tree
            folder.mkdir()
            lines += [
                "",
                "database mdb",
                f'suffix "dc={tree},dc=test"',
                f"directory {folder}",
                "maxsize 33554432",
                "dbnosync",
                f'rootdn "cn=admin,dc={tree},dc=test"',
                f"rootpw {ADMIN_PASSWORD}",
                "access to attrs=userPassword by anonymous auth by * none",
                f'access to * by dn.exact="cn=reader,dc={tree},dc=test" read by * none',
                "index objectClass,entryUUID eq",
                "overlay memberof",
                "memberof-dangling ignore",
                "overlay ppolicy",
            ]
        return "\n".join(lines) + "\n"

    def start(self) -> None:
        """Start it, or start it again, on the ports that it has."""
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        command = [self._program, "-h", urls, "-f", str(self._configuration), "-d", "0"]
        self._peer = Peer("slapd", dying_with_us(command), self._folder / "log")
        self._peer.wait_until(lambda: accepts(self.port) and accepts(self.tls_port))

    def stop(self) -> None:
        """Stop it; its data stay."""
        self._peer.stop()

    @property
    def is_running(self) -> bool:
        running: bool = self._peer.process.poll() is None
        return running

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _plant(self, tree: str) -> None:
        with self.admin(tree) as admin:
            base = f"dc={tree},dc=test"
            add(admin, base, ["dcObject", "organization"], dc=tree, o=tree)
            for unit in ("people", "groups"):
                add(admin, f"ou={unit},{base}", ["organizationalUnit"], ou=unit)
            add(
                admin,
                f"cn=reader,{base}",
                ["organizationalRole", "simpleSecurityObject"],
                cn="reader",
                userPassword=READER_PASSWORD,
            )

    @contextlib.contextmanager
    def admin(self, tree: str) -> Iterator[Any]:
        """A connection that may write."""
        connection = ldap3.Connection(
            ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE),
            f"cn=admin,dc={tree},dc=test",
            ADMIN_PASSWORD,
            auto_bind=True,
            raise_exceptions=True,
            check_names=False,
        )
        try:
            yield connection
        finally:
            connection.unbind()

    def clear(self) -> None:
        """Remove all people and groups."""
        for tree in KINDS:
            with self.admin(tree) as admin:
                for unit in ("groups", "people"):
                    base = f"ou={unit},dc={tree},dc=test"
                    while True:
                        admin.search(base, "(objectClass=*)", ldap3.LEVEL, paged_size=500)
                        found = [entry["dn"] for entry in admin.response]
                        for dn in found:
                            admin.delete(dn)
                        if not found:
                            break

    def settings(self, tree: str, account: str, **more: Any) -> Directory:
        """The settings of a directory over a tree."""
        values: dict[str, Any] = {
            "account": account,
            "kind": KINDS[tree],
            "urls": (f"ldaps://127.0.0.1:{self.tls_port}",),
            "ca_file": str(self.ca_file),
            "bind_dn": f"cn=reader,dc={tree},dc=test",
            "password_file": str(self._password_file),
            "base_dn": f"dc={tree},dc=test",
            "page_size": 10,
            "cache_seconds": 0,
            "connect_seconds": 2,
            "operation_seconds": 5,
        }
        return Directory(**{**values, **more})

    def toml(self, id: str, tree: str, account: str, **more: Any) -> str:
        """The same as a part of a file of settings."""
        settings = self.settings(tree, account, **more)
        # What JSON writes of these values is TOML, too.
        lines = [
            f"{field} = {json.dumps(getattr(settings, field))}"
            for field in Directory.__struct_fields__
        ]
        return "\n".join([f"[directories.{id}]", *lines, ""])


class Tree:
    """People and groups of one tree, written as its administrator would."""

    def __init__(self, slapd: Slapd, name: str) -> None:
        self.slapd = slapd
        self.name = name
        self.base = f"dc={name},dc=test"
        self.usn = 1000

    def dn(self, name: str, unit: str = "people") -> str:
        return f"{'uid' if unit == 'people' else 'cn'}={name},ou={unit},{self.base}"

    def person(self, name: str, password: str = "", **more: Any) -> str:
        """Add a person and return the name of its entry."""
        values: dict[str, Any] = {"uid": name, "cn": name.title(), "sn": name.title(), **more}
        classes = ["inetOrgPerson"]
        if self.name == "active":
            classes = ["user"]
            values = {
                "objectCategory": "person",
                "sAMAccountName": name,
                "userAccountControl": 512,
                "pwdLastSet": 1,
                **self._identity(),
                **values,
            }
        if password:
            values["userPassword"] = password
        dn = self.dn(name)
        with self.slapd.admin(self.name) as admin:
            add(admin, dn, classes, **values)
        return dn

    def group(self, name: str, *members: str, **more: Any) -> str:
        """Add a group of these names of entries and return its own."""
        values: dict[str, Any] = {"cn": name, "member": list(members) or [""], **more}
        classes = ["groupOfNames"]
        if self.name == "active":
            classes = ["group"]
            values = {"sAMAccountName": name, **self._identity(), **values}
            values["member"] = list(members)
        dn = self.dn(name, "groups")
        with self.slapd.admin(self.name) as admin:
            add(admin, dn, classes, **values)
        return dn

    def _identity(self) -> dict[str, Any]:
        self.usn += 1
        return {
            "objectGUID": uuid.uuid4().bytes_le,
            "objectSid": sid(self.usn),
            "uSNChanged": self.usn,
        }

    def change(self, dn: str, **values: Any) -> None:
        """Replace values; None takes them away."""
        if self.name == "active":
            self.usn += 1
            values["uSNChanged"] = self.usn
        changes = {
            name: [(ldap3.MODIFY_REPLACE, [] if value is None else as_list(value))]
            for name, value in values.items()
        }
        with self.slapd.admin(self.name) as admin:
            admin.modify(dn, changes)

    def rename(self, dn: str, rdn: str) -> str:
        """Give an entry another relative name and return the whole one."""
        with self.slapd.admin(self.name) as admin:
            admin.modify_dn(dn, rdn)
        return f"{rdn},{dn.partition(',')[2]}"

    def remove(self, dn: str) -> None:
        with self.slapd.admin(self.name) as admin:
            admin.delete(dn)

    def add(self, dn: str, classes: list[str], **values: Any) -> None:
        with self.slapd.admin(self.name) as admin:
            add(admin, dn, classes, **values)


def sid(last: int) -> bytes:
    """S-1-5-21-1-2-3-<last>."""
    return bytes([1, 5]) + (5).to_bytes(6, "big") + struct.pack("<5I", 21, 1, 2, 3, last)


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def add(admin: Any, dn: str, classes: list[str], **values: Any) -> None:
    """Add an entry; values that are empty lists are left out."""
    given = {name: as_list(value) for name, value in values.items() if value != []}
    admin.add(dn, classes, given)
