"""What protocols call to work with Sieve scripts: check, seal and open them, write once.

A script is compiled before it is kept, so what is in the store can run. Limits are the settings
`limits.sieve_scripts` and `limits.sieve_script_bytes`.
"""

from __future__ import annotations

import asyncio
import unicodedata

import msgspec

from workpost.domain.mailboxes import scripts as commands
from workpost.domain.mailboxes.scripts import SealedScript
from workpost.formats.sieve.checker import compile_script
from workpost.formats.sieve.errors import SieveError
from workpost.kernel.errors import Conflict, InvalidParameter, ScriptInvalid, ScriptTooLarge
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.sieve_scripts import TextRow

MAX_NAME = 128
"""Characters of a script's name (RFC 5804 1.6 asks for 128 at least)."""
ATTEMPTS = 4


class Script(msgspec.Struct, frozen=True):
    """A script as it is listed; `size` in octets, `changed` in ms."""

    name: str
    active: bool
    size: int
    changed: int


def check_name(name: str) -> str:
    """The name in its normal form (RFC 5804 1.6). Raises InvalidParameter."""
    name = unicodedata.normalize("NFC", name)
    if not 0 < len(name) <= MAX_NAME:
        raise InvalidParameter(f"A script's name has 1 to {MAX_NAME} characters.")
    if any(
        char < " "
        or "\x7f" <= char < "\xa0"
        or char in "\u2028\u2029"
        or "\ud800" <= char < "\ue000"
        for char in name
    ):
        raise InvalidParameter("A script's name holds no control characters.")
    return name


def check_size(core: Core, size: int) -> None:
    """Raise ScriptTooLarge for a script of so many octets."""
    largest = core.settings.limits.sieve_script_bytes
    if size > largest:
        raise ScriptTooLarge(f"A script has at most {largest} octets.")


async def check_script(core: Core, source: bytes) -> None:
    """Raise ScriptInvalid (with the line) or ScriptTooLarge for what could not be put."""
    check_size(core, len(source))
    try:
        await asyncio.to_thread(compile_script, source, new=True)
    except SieveError as error:
        raise ScriptInvalid(str(error)) from None


async def list_scripts(core: Core, grant: Grant) -> list[Script]:
    """All scripts by name."""
    found = []
    for row in await core.store.read(commands.read_scripts, grant=grant):
        key = await core.keys.mailbox(grant.organization, grant.mailbox, row.gen)
        ad = place("sealed_name", grant.organization, grant.mailbox, row.name_tag)
        name = sealing.unseal(key.key, row.sealed_name, ad).decode()
        found.append(Script(name, bool(row.active), row.size, row.changed))
    return sorted(found, key=lambda script: script.name)


async def get_script(core: Core, grant: Grant, name: str) -> bytes:
    """The text of a script. Raises ScriptNotFound, InvalidParameter."""
    return await open_text(core, grant.organization, await _read(core, grant, name))


async def check_space(core: Core, grant: Grant, name: str, size: int) -> None:
    """Whether a script of this name and size could be put (RFC 5804 2.5).

    Raises LimitExceeded, ScriptTooLarge, InvalidParameter.
    """
    name_tag = await _tag(core, grant, check_name(name))
    check_size(core, size)
    most = core.settings.limits.sieve_scripts
    await core.store.read(commands.check_space, grant=grant, name_tag=name_tag, most=most)


async def put_script(core: Core, grant: Grant, name: str, source: bytes) -> None:
    """Keep a script, replacing the one of its name, which stays active if it was.

    Raises ScriptInvalid, ScriptTooLarge, LimitExceeded, InvalidParameter.
    """
    name = check_name(name)
    await check_script(core, source)
    await core.store.write(
        commands.put_script,
        grant=grant,
        script=await _seal(core, grant, name, source),
        most=core.settings.limits.sieve_scripts,
    )


async def activate_script(core: Core, grant: Grant, name: str) -> None:
    """Let a script run at delivery instead of any other, "" for none. Raises ScriptNotFound."""
    name_tag = await _tag(core, grant, check_name(name)) if name else None
    await core.store.write(commands.activate_script, grant=grant, name_tag=name_tag)


async def delete_script(core: Core, grant: Grant, name: str) -> None:
    """Delete a script. Raises ScriptNotFound, ScriptActive, InvalidParameter."""
    name_tag = await _tag(core, grant, check_name(name))
    await core.store.write(commands.delete_script, grant=grant, name_tag=name_tag)


async def rename_script(core: Core, grant: Grant, name: str, to: str) -> None:
    """Rename a script, active or not. Raises ScriptNotFound, ScriptExists, InvalidParameter."""
    to = check_name(to)
    for _ in range(ATTEMPTS):
        row = await _read(core, grant, name)
        text = await open_text(core, grant.organization, row)
        script = await _seal(core, grant, to, text)
        if await core.store.write(
            commands.rename_script,
            grant=grant,
            name_tag=row.name_tag,
            old=row.sealed,
            script=script,
        ):
            return
    raise Conflict("The script keeps changing.")


async def open_text(core: Core, organization: str, row: TextRow) -> bytes:
    """The text of a row of an organization's mailbox. Raises Fault, KeyDestroyed, TryLater."""
    key = await core.keys.mailbox(organization, row.mailbox, row.gen)
    ad = place("sealed", organization, row.mailbox, row.name_tag)
    return sealing.unseal(key.key, row.sealed, ad)


def place(column: str, organization: str, mailbox: int, name_tag: bytes) -> bytes:
    """Where a sealed value of a script belongs."""
    return sealing.place("sieve_script", column, organization, mailbox, bytes(name_tag).hex())


async def _tag(core: Core, grant: Grant, name: str) -> bytes:
    tag_key = await core.keys.tag_key(grant.organization, grant.mailbox)
    return sealing.tag(tag_key, "sieve-script", name)


async def _read(core: Core, grant: Grant, name: str) -> TextRow:
    name_tag = await _tag(core, grant, check_name(name))
    return await core.store.read(commands.read_text, grant=grant, name_tag=name_tag)


async def _seal(core: Core, grant: Grant, name: str, source: bytes) -> SealedScript:
    key = await core.keys.mailbox(grant.organization, grant.mailbox)
    name_tag = await _tag(core, grant, name)

    def seal(column: str, value: bytes) -> bytes:
        ad = place(column, grant.organization, grant.mailbox, name_tag)
        return sealing.seal(key.key, value, ad)

    return SealedScript(
        name_tag, seal("sealed_name", name.encode()), seal("sealed", source), key.gen, len(source)
    )
