"""The tests: is it so, of this message?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from urllib.parse import unquote

from workpost.formats.addresses import parse_address_list
from workpost.formats.sieve import dates
from workpost.formats.sieve.actions import Seen
from workpost.formats.sieve.checker import Step
from workpost.formats.sieve.errors import SieveRunError
from workpost.formats.sieve.limits import MAX_VALUE_TO_MATCH, STEP
from workpost.formats.sieve.matching import Match
from workpost.formats.sieve.message import Field
from workpost.formats.sieve.run import Run, split_flags

DUPLICATE_SECONDS = 7 * 24 * 3600
"""RFC 7352 3.4: seven days where the script does not say."""
LONGEST_DUPLICATE = 90 * 24 * 3600
MAX_URI_FIELDS = 20
"""Fields of a mailto URI that are looked at."""
STEP_ADDRESSES = 100
"""Addresses of a field that cost as much as one comparison."""


def holds(run: Run, step: Step) -> bool:
    """Evaluate one test. Raises SieveRunError."""
    run.spend()
    return _TESTS[step.name](run, step)


def _compare(run: Run, step: Step, values: Sequence[str], keys: Sequence[str]) -> bool:
    size = sum(min(len(value), MAX_VALUE_TO_MATCH) for value in values)
    run.spend(1 + len(keys) * (len(values) + size // STEP))
    tags: dict[str, object] = {
        name: run.text(value) if isinstance(value, str) else value
        for name, value in step.tags.items()
    }
    match = Match(tags)
    result = match.any_of(values, keys, run.check_time)
    if match.found is not None:
        run.variables.matched = match.found
    return result


def chosen(step: Step, fields: list[Field]) -> list[Field]:
    """RFC 5260 6: the one that :index names, from the end with :last."""
    number = step.tags.get(":index")
    if not isinstance(number, int):
        return fields
    if number < 1 or number > len(fields):
        return []
    return [fields[-number] if ":last" in step.tags else fields[number - 1]]


def _address(run: Run, step: Step) -> bool:
    parts: list[str] = []
    for field in _fields(run, step):
        run.spend(1 + len(field.addresses) // STEP_ADDRESSES)
        parts += [part for one in field.addresses if (part := address_part(step, one)) is not None]
    return _compare(run, step, parts, run.texts(step.values[1]))


def _fields(run: Run, step: Step) -> Iterator[Field]:
    """The fields that a test names; with :index it is the occurrence of each name that counts."""
    for name in run.texts(step.values[0]):
        run.check_time()
        yield from chosen(step, run.message.named([name]))


def address_part(step: Step, address: str) -> str | None:
    """The part of an address that a test looks at; None where there is none (RFC 5233 4)."""
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    if ":localpart" in step.tags:
        return local
    if ":domain" in step.tags:
        return domain
    user, plus, detail = local.partition("+")
    if ":user" in step.tags:
        return user
    if ":detail" in step.tags:
        return detail if plus else None
    return address


def _envelope(run: Run, step: Step) -> bool:
    values = []
    for name in run.texts(step.values[0]):
        if name.lower() == "from":
            address = run.world.sender
        elif name.lower() == "to":
            address = run.world.recipient
        else:
            raise SieveRunError(f"the envelope has no {name[:40]!r}")
        # RFC 5228 5.4: the null reverse-path is the empty string, whatever the part.
        part = address_part(step, address) if address else ""
        if part is not None:
            values.append(part)
    return _compare(run, step, values, run.texts(step.values[1]))


def _header(run: Run, step: Step) -> bool:
    texts = [field.text for field in _fields(run, step)]
    return _compare(run, step, texts, run.texts(step.values[1]))


def _exists(run: Run, step: Step) -> bool:
    return all(run.message.named([name]) for name in run.texts(step.values[0]))


def _size(run: Run, step: Step) -> bool:
    limit = step.values[0]
    assert isinstance(limit, int)
    return run.message.size > limit if ":over" in step.tags else run.message.size < limit


def _body(run: Run, step: Step) -> bool:
    transform = next((tag for tag in (":raw", ":content") if tag in step.tags), ":text")
    types = run.texts(step.tags.get(":content"))
    values = run.message.bodies(transform, types)
    return _compare(run, step, values, run.texts(step.values[0]))


def _hasflag(run: Run, step: Step) -> bool:
    names = run.texts(step.values[0]) if len(step.values) == 2 else [""]
    flags = [flag for name in names for flag in run.get_flags(name)]
    keys = list(split_flags(run.texts(step.values[-1])))
    if ":count" in step.tags:
        keys = run.texts(step.values[-1])
    return _compare(run, step, flags, keys)


def _string(run: Run, step: Step) -> bool:
    values = run.texts(step.values[0])
    if ":count" in step.tags:
        values = [value for value in values if value]
    return _compare(run, step, values, run.texts(step.values[1]))


def _date(run: Run, step: Step) -> bool:
    name, part = run.text(step.values[0]), run.text(step.values[1])
    values = []
    # RFC 5260 4: of several fields of the name the first, unless :index says which.
    for field in chosen(step, run.message.named([name]))[:1]:
        moment = dates.read_date(field.text)
        if moment is not None:
            zone = _zone(run, step, dates.original_zone(field.text))
            value = dates.part_of(moment, part, zone)
            if value is not None:
                values.append(value)
    return _compare(run, step, values, run.texts(step.values[2]))


def _currentdate(run: Run, step: Step) -> bool:
    moment = datetime.fromtimestamp(run.world.now, UTC)
    value = dates.part_of(moment, run.text(step.values[0]), _zone(run, step, 0))
    return _compare(run, step, [] if value is None else [value], run.texts(step.values[1]))


def _zone(run: Run, step: Step, original: int) -> tzinfo:
    if ":originalzone" in step.tags:
        return dates.fixed(original)
    if ":zone" in step.tags:
        offset = dates.offset_of(run.tag(step, ":zone"))
        if offset is None:
            raise SieveRunError(f"{run.tag(step, ':zone')[:20]!r} is no time zone")
        return dates.fixed(offset)
    return run.world.zone


def _duplicate(run: Run, step: Step) -> bool:
    handle = run.tag(step, ":handle")
    if ":uniqueid" in step.tags:
        identity = run.tag(step, ":uniqueid")
    else:
        name = run.tag(step, ":header") or "message-id"
        fields = run.message.named([name])
        identity = fields[0].text if fields else ""
    if not identity:
        # Nothing tells such messages from each other: none is the duplicate of another.
        return False
    # RFC 7352 3.1: where an id comes from does not matter.
    seconds = step.tags.get(":seconds")
    period = seconds if isinstance(seconds, int) else DUPLICATE_SECONDS
    run.see(Seen(handle, identity, min(period, LONGEST_DUPLICATE), ":last" in step.tags))
    return run.world.was_seen(handle, identity)


def _mailboxexists(run: Run, step: Step) -> bool:
    return all(run.world.folder_exists(name) for name in run.texts(step.values[0]))


def _specialuse(run: Run, step: Step) -> bool:
    folder = run.text(step.values[0]) if len(step.values) == 2 else ""
    return run.world.special_use_exists(folder, run.texts(step.values[-1]))


def _valid_method(run: Run, step: Step) -> bool:
    return all(is_mailto(uri) for uri in run.texts(step.values[0]))


def is_mailto(uri: str) -> bool:
    """Whether `notify` can use a method: mailto with at least one address (RFC 5436)."""
    return bool(mailto_addresses(uri))


def mailto_addresses(uri: str) -> list[str]:
    """The addresses of a mailto URI (RFC 6068 2), those of its `to` fields last; of others none."""
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() != "mailto":
        return []
    before, _, query = rest.partition("?")
    fields = [field.partition("=") for field in query.split("&", MAX_URI_FIELDS)[:MAX_URI_FIELDS]]
    listed = [before, *(value for name, _, value in fields if name.lower() == "to")]
    found = (one for each in listed for _, one in parse_address_list(unquote(each)))
    return [address for address in found if "@" in address]


def _method_capability(run: Run, step: Step) -> bool:
    uri, capability = run.text(step.values[0]), run.text(step.values[1])
    if capability.lower() != "online" or not is_mailto(uri):
        return False
    return _compare(run, step, ["maybe"], run.texts(step.values[2]))


def _not(run: Run, step: Step) -> bool:
    return not holds(run, step.tests[0])


def _allof(run: Run, step: Step) -> bool:
    return all(holds(run, test) for test in step.tests)


def _anyof(run: Run, step: Step) -> bool:
    return any(holds(run, test) for test in step.tests)


_TESTS: dict[str, Callable[[Run, Step], bool]] = {
    "true": lambda _, __: True,
    "false": lambda _, __: False,
    "not": _not,
    "allof": _allof,
    "anyof": _anyof,
    "address": _address,
    "envelope": _envelope,
    "header": _header,
    "exists": _exists,
    "size": _size,
    "body": _body,
    "hasflag": _hasflag,
    "string": _string,
    "date": _date,
    "currentdate": _currentdate,
    "duplicate": _duplicate,
    "mailboxexists": _mailboxexists,
    "specialuse_exists": _specialuse,
    "valid_notify_method": _valid_method,
    "notify_method_capability": _method_capability,
}
