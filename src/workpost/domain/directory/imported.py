"""What an entry of an LDAP or Active Directory server is here: pure, from the entry's values.

`OPENLDAP` and `ACTIVE_DIRECTORY` are the usual attributes; the settings may name others.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from workpost.domain.directory.entities import RESOURCE_USER, SYSTEM_USER, Props
from workpost.formats import addresses, ldap
from workpost.integrations.ldap.base import Found
from workpost.kernel.directory_settings import Directory
from workpost.store.tables.entities import GROUP, USER

ACTIVE = "active-directory"

PERSONAL: dict[str, str] = {
    "first_name": "givenName",
    "last_name": "sn",
    "initials": "initials",
    "telephone": "telephoneNumber",
    "street": "street",
    "job_title": "title",
    "city": "l",
    "company": "o",
    "zip_code": "postalCode",
    "department": "departmentNumber",
    "country": "c",
    "office": "physicalDeliveryOfficeName",
}
"""Personal data, by the fields of `Props`."""

OPENLDAP: dict[str, str] = {
    **PERSONAL,
    "id": "entryUUID",
    "name": "uid",
    "group_name": "cn",
    "display": "displayName",
    "common_name": "cn",
    "mail": "mail",
    "member": "member",
    "changed": "modifyTimestamp",
    "password_changed": "pwdChangedTime",
}
ACTIVE_DIRECTORY: dict[str, str] = {
    **PERSONAL,
    "id": "objectGUID",
    "sid": "objectSid",
    "name": "sAMAccountName",
    "group_name": "sAMAccountName",
    "display": "displayName",
    "common_name": "cn",
    "street": "streetAddress",
    "company": "company",
    "department": "department",
    "country": "co",
    "mail": "mail",
    "addresses": "proxyAddresses",
    "member": "member",
    "changed": "uSNChanged",
    "password_changed": "pwdLastSet",
    "control": "userAccountControl",
    "recipient": "msExchRecipientTypeDetails",
}
USER_FILTERS = {
    "openldap": "(objectClass=inetOrgPerson)",
    ACTIVE: "(&(objectCategory=person)(objectClass=user))",
}
GROUP_FILTERS = {"openldap": "(objectClass=groupOfNames)", ACTIVE: "(objectClass=group)"}

ACCOUNT_DISABLED = 2
"""A bit of userAccountControl ([MS-ADTS] 2.2.16)."""
BUILT_IN = frozenset({"500", "501", "502", "503"})
"""Last parts of the SIDs of Administrator, Guest, krbtgt and the default account."""
ROOMS = frozenset({"16", "32"})
"""msExchRecipientTypeDetails of rooms and equipment."""
MAX_VALUE = 256
MAX_ALIASES = 100

_USER_NAME = re.compile(r"[\w\-.]{1,64}|(?=.{1,64}$)[\w\-.]+@[a-zA-Z0-9.\-]+\.[a-zA-Z0-9-]{2,}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_GROUP_NAME = re.compile(r"[\u0020-\u00ff]{1,256}")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A user or group as the directory wants it; `stamp` is a digest of all of it.

    `entity` is the id of one that is new here. `addresses` are its own, the primary one first;
    they count under interoperability only.
    """

    guid: str
    entity: str
    kind: str
    dn: str
    name: str
    display: str
    props: Props
    addresses: list[str] = []
    locked: bool = False
    password_changed: str = ""
    stamp: bytes = b""


class Unusable(msgspec.Struct, frozen=True):
    """An entry that cannot be a user or group here; one that was one before is held to the rest."""

    guid: str
    dn: str
    reason: str
    locked: bool = False
    password_changed: str = ""


class Reading:
    """What is asked of one directory, and how its answers are read."""

    def __init__(self, settings: Directory) -> None:
        self.settings = settings
        usual = ACTIVE_DIRECTORY if settings.kind == ACTIVE else OPENLDAP
        own = dict(pair.split("=", 1) for pair in settings.attributes)
        self.attributes = {
            name: attribute for name, attribute in {**usual, **own}.items() if attribute
        }
        """Attribute names by what they are for; those that are left out are not there."""
        self._keys = {name: attribute.lower() for name, attribute in self.attributes.items()}

    def digest(self, server: str) -> str:
        """Names a server and what is asked of it: after a change all has to be read anew."""
        asked = [
            server,
            *sorted(f"{name}={attribute}" for name, attribute in self.attributes.items()),
            *(self.base(kind) + self.filter(kind) for kind in (USER, GROUP)),
        ]
        return hashlib.blake2b(msgspec.json.encode(asked), digest_size=16).hexdigest()

    def wanted(self, kind: str) -> list[str]:
        """The attributes to ask for of users or groups; members apart."""
        skipped = {"member", "group_name" if kind == USER else "name"}
        names = {attribute for name, attribute in self.attributes.items() if name not in skipped}
        return sorted(names)

    def base(self, kind: str) -> str:
        """Where to search."""
        own = self.settings.user_base_dn if kind == USER else self.settings.group_base_dn
        return own or self.settings.base_dn

    def filter(self, kind: str, *, since: str = "", guid: str = "") -> str:
        """Which entries: all, those changed at a stamp or after it, or the one of an identifier."""
        usual = USER_FILTERS if kind == USER else GROUP_FILTERS
        own = self.settings.user_filter if kind == USER else self.settings.group_filter
        chosen = own or usual[self.settings.kind]
        if since:
            return f"(&{chosen}({self.attributes['changed']}>={ldap.escape_value(since)}))"
        if guid:
            active = self.settings.kind == ACTIVE
            value = ldap.escape_bytes(ldap.guid_bytes(guid)) if active else ldap.escape_value(guid)
            return f"(&{chosen}({self.attributes['id']}={value}))"
        return chosen

    def guid(self, found: Found) -> str:
        """The identifier that an entry keeps for ever, "" for none."""
        values = found.values.get(self._keys["id"], ())
        try:
            read = ldap.read_guid if self.settings.kind == ACTIVE else ldap.read_uuid
            return read(bytes(values[0])) if values else ""
        except ldap.LdapTextError:
            return ""

    def changed(self, found: Found) -> str:
        """The stamp of an entry's last change, "" where there is none."""
        text = self._text(found, "changed")
        return text if ldap.is_stamp(text) else ""

    def _all(self, found: Found, name: str) -> list[str]:
        return [_decode(value) for value in found.values.get(self._keys.get(name, ""), ())]

    def _text(self, found: Found, name: str) -> str:
        values = self._all(found, name)
        return values[0] if values else ""

    def entry(self, kind: str, found: Found) -> Wanted | Unusable:
        """What an entry is here, or why it can be nothing."""
        guid = self.guid(found)
        if not guid or "\0" in found.dn:
            dn = _decode(found.dn.encode("utf-8", "replace"))
            key = guid or hashlib.blake2b(dn.encode(), digest_size=16).hexdigest()
            return Unusable(key, dn, f"It has no usable name or {self.attributes['id']}.")
        name = self._text(found, "name" if kind == USER else "group_name")
        if not (_USER_NAME if kind == USER else _GROUP_NAME).fullmatch(name):
            return Unusable(
                guid,
                found.dn,
                f"Its name {name[:MAX_VALUE]!r} is not possible here.",
                self._is_locked(found),
                self._text(found, "password_changed"),
            )
        entity = self._sid(found) or guid
        wanted = Wanted(
            guid=guid,
            entity=entity,
            kind=kind,
            dn=found.dn,
            name=name,
            display=self._display(found, kind, name),
            props=self._props(found, entity) if kind == USER else Props(),
            addresses=self._addresses(found),
            locked=self._is_locked(found),
            password_changed=self._text(found, "password_changed"),
        )
        digest = hashlib.blake2b(msgspec.json.encode(wanted), digest_size=16).digest()
        return msgspec.structs.replace(wanted, stamp=digest)

    def _sid(self, found: Found) -> str:
        values = found.values.get(self._keys.get("sid", ""), ())
        try:
            return ldap.read_sid(bytes(values[0])) if values else ""
        except ldap.LdapTextError:
            return ""

    def _display(self, found: Found, kind: str, name: str) -> str:
        if kind == GROUP:
            return name
        text = self._text(found, "display") or self._text(found, "common_name") or name
        return text[:MAX_VALUE]

    def _props(self, found: Found, entity: str) -> Props:
        role = USER
        if entity.startswith("S-1-5-21-") and entity.rpartition("-")[2] in BUILT_IN:
            role = SYSTEM_USER
        elif self._text(found, "recipient") in ROOMS:
            role = RESOURCE_USER
        personal = {field: self._text(found, field)[:MAX_VALUE] for field in PERSONAL}
        return msgspec.structs.replace(Props(user_role=role), **personal)

    def _is_locked(self, found: Found) -> bool:
        control = self._text(found, "control")
        return _NUMBER.fullmatch(control) is not None and bool(int(control) & ACCOUNT_DISABLED)

    def _addresses(self, found: Found) -> list[str]:
        """Addresses, the primary one first: `SMTP:` of proxyAddresses, else the mail attribute."""
        proxies = [value.partition(":") for value in self._all(found, "addresses")]
        primary = [text for kind, _, text in proxies if kind == "SMTP"]
        others = sorted(text for kind, _, text in proxies if kind == "smtp")
        ordered = {
            addresses.fold(text): text for text in [*primary, *self._all(found, "mail"), *others]
        }
        return list(ordered.values())[: MAX_ALIASES + 1]

    def members(self, found: Found) -> tuple[list[str], str]:
        """Folded names of a group's members, and the attribute to ask for the rest, "" for none.

        Active Directory sends the values of `member` in ranges ([MS-ADTS] 3.1.1.3.1.3.3).
        """
        attribute = self._keys.get("member", "")
        for name, values in found.values.items():
            base, _, option = name.partition(";range=")
            if base == attribute and option and values:
                end = option.partition("-")[2]
                following = f"{base};range={int(end) + 1}-*" if end.isdigit() else ""
                return [ldap.fold_dn(_decode(value)) for value in values], following
        return [ldap.fold_dn(_decode(value)) for value in found.values.get(attribute, ())], ""


def _decode(value: bytes) -> str:
    # PostgreSQL keeps no NUL in a text.
    return bytes(value).decode("utf-8", "replace").replace("\0", "")
