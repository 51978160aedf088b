"""Read settings: file, environment and command line into one checked `Settings`."""

from __future__ import annotations

import keyword
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from workpost.kernel.configuration_checks import check_settings
from workpost.kernel.settings import Section, Settings, SettingsError

PREFIX = "WORKPOST_"
MASK = "********"
ANY = "<id>"
"""Stands in a key's name for the id of a table that there may be several of."""


FILES: set[Path] = set()
"""Files that this process, or the one that it was forked from, has read settings from."""


class Key(msgspec.Struct, frozen=True):
    """One setting: its dotted name, type, default and what its definition says about it."""

    name: str
    type: Any
    default: Any
    description: str
    extra: Mapping[str, bool]

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return PREFIX + self.name.replace(".", "__").upper()


def _keys_of(section: type[Section], prefix: str = "") -> Iterator[Key]:
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield from _keys_of(field.type, f"{field.encode_name}.")
            continue
        if get_origin(field.type) is dict:
            yield from _keys_of(get_args(field.type)[1], f"{field.name}.{ANY}.")
            continue
        hint = hints[field.name]
        meta = next((m for m in get_args(hint)[1:] if isinstance(m, Meta)), Meta())
        yield Key(
            f"{prefix}{field.name}", hint, field.default, meta.description or "", meta.extra or {}
        )


KEYS = {key.name: key for key in _keys_of(Settings)}
MANY = frozenset(name.partition(".")[0] for name in KEYS if ANY in name)
"""Sections of which there may be several, by id."""


def key_of(name: str) -> Key | None:
    """The definition of a key by its name, with or without the id of its table."""
    section, _, rest = name.partition(".")
    return KEYS.get(f"{section}.{ANY}.{rest.rpartition('.')[2]}" if section in MANY else name)


def load(
    config_path: str | Path | None, data_dir: str | Path | None, env: Mapping[str, str]
) -> Settings:
    """Build the settings from the file (if any), the environment and `--data` (if given).

    Raises SettingsError, one line.
    """
    values: dict[str, Any] = {}
    if config_path is not None:
        values |= _from_file(Path(config_path))
        FILES.add(Path(config_path).absolute())
    values |= _from_environment(env)
    if data_dir is not None:
        values["data_dir"] = str(data_dir)
    settings = _build(values)
    check_settings(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    values: dict[str, Any] = {}
    for name, value in document.items():
        values |= _flat(name, value, 2 if name in MANY else 1)
    for name, value in values.items():
        key = _known(name, f"{path}: ")
        folder = path.absolute().parent
        if key.extra.get("path") and isinstance(value, str) and value:
            values[name] = str(folder / value)
        elif (kind := _table_of(key.type)) and isinstance(value, list):
            values[name] = [_with_paths(kind, folder, table) for table in value]
    return values


def _table_of(hint: Any) -> type[Section] | None:
    """The section that each table of a list of tables is, None for any other setting."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    return inner if isinstance(inner, type) and issubclass(inner, Section) else None


def _with_paths(kind: type[Section], folder: Path, table: Any) -> Any:
    """A table of the file, its paths relative to the file's folder."""
    if not isinstance(table, dict):
        return table
    paths = {key.name for key in _keys_of(kind) if key.extra.get("path") and table.get(key.name)}
    return {**table, **{name: str(folder / str(table[name])) for name in paths}}


def _flat(name: str, value: Any, depth: int) -> dict[str, Any]:
    """Keys by dotted name, out of tables in tables up to a depth."""
    if not isinstance(value, dict) or not depth:
        return {name: value}
    found: dict[str, Any] = {}
    for inner, deeper in value.items():
        found |= _flat(f"{name}.{inner}", deeper, depth - 1)
    return found


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in sorted(env.items()):
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        section, _, rest = name.partition(".")
        if section in MANY:
            # Names of variables have no hyphen.
            id, dot, field = rest.partition(".")
            name = f"{section}.{id.replace('_', '-')}{dot}{field}"
        values[name] = _from_text(_known(name, f"{variable}: "), text)
    return values


def _from_text(key: Key, text: str) -> Any:
    kind = get_args(key.type)[0] if get_origin(key.type) is Annotated else key.type
    if _table_of(key.type):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise SettingsError(f"{key.variable}: a list in JSON is needed ({error})") from error
    if get_origin(kind) is tuple:
        return _split(text)
    try:
        return msgspec.convert(text, key.type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{key.variable}: {_plain(error)}") from error


def _attribute(name: str) -> str:
    """The attribute of a section whose name is a word of Python."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _split(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [] if parts == ["off"] else parts


def _known(name: str, where: str) -> Key:
    key = key_of(name)
    if key is not None:
        return key
    if name in {known.partition(".")[0] for known in KEYS}:
        raise SettingsError(f"{where}{name} is a section; write [{name}] and its keys below it")
    close = get_close_matches(name, KEYS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; see docs/settings.md"
    raise SettingsError(f"{where}unknown setting {name}{hint}")


def _build(values: Mapping[str, Any]) -> Settings:
    document: dict[str, Any] = {}
    for name, value in values.items():
        *sections, key = name.split(".")
        target = document
        for section in sections:
            target = target.setdefault(section, {})
        is_list = isinstance(_known(name, "").default, tuple)
        target[key] = _split(value) if is_list and isinstance(value, str) else value
    for field in msgspec.structs.fields(Settings):
        if field.name in MANY:
            for id, table in document.get(field.name, {}).items():
                _check_table(f"{field.name}.{id}", table, get_args(field.type)[1])
    try:
        return msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(_plain(error)) from error


def _check_table(name: str, table: Any, section: type[Section]) -> None:
    """Say of one of several tables what is wrong with it: later its id is not known any more."""
    try:
        msgspec.convert(table, section)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}.{_plain(error)}") from error


def _plain(error: msgspec.ValidationError) -> str:
    """Say a validation error in one line that starts with the setting's name."""
    message, _, place = str(error).partition(" - at `")
    message = message.replace("`", "").replace("Expected", "expected", 1)
    place = place.removesuffix("`").removeprefix("$").removeprefix(".")
    return f"{place}: {message}" if place else message


def with_live(current: Settings, fresh: Settings) -> Settings:
    """`current` with the keys that may change while serving taken from `fresh` (SIGHUP)."""
    changes: dict[str, dict[str, Any]] = {}
    for key in KEYS.values():
        section, dot, field = key.name.partition(".")
        if dot and section not in MANY and key.extra.get("live"):
            held = _attribute(section)
            changes.setdefault(held, {})[field] = getattr(getattr(fresh, held), field)
    sections = {
        name: msgspec.structs.replace(getattr(current, name), **fields)
        for name, fields in changes.items()
    }
    return msgspec.structs.replace(current, **sections)


def effective(settings: Settings) -> dict[str, Any]:
    """Return every key with its value in force (`workpost config show`), passwords masked."""
    values: dict[str, Any] = {}
    for name, key, value in _in_force(settings):
        if key.extra.get("secret") and name.endswith("password"):
            value = MASK if value else ""
        elif key.extra.get("secret"):
            value = re.sub(r"(?<=://)([^/:@]*):.*(?=@)", rf"\1:{MASK}", value)
            value = re.sub(r"(?i)(password=)[^&]*", rf"\1{MASK}", value)
        elif isinstance(value, tuple):
            value = tuple(map(_masked, value))
        values[name] = value
    return values


def _masked(entry: Any) -> Any:
    """A table of a list with the values of its secret variables masked."""
    if not isinstance(entry, Section):
        return entry
    hidden = {
        key.name: tuple(f"{text.partition('=')[0]}={MASK}" for text in getattr(entry, key.name))
        for key in _keys_of(type(entry))
        if key.extra.get("secret")
    }
    return msgspec.structs.replace(entry, **hidden)


def _in_force(settings: Settings) -> Iterator[tuple[str, Key, Any]]:
    """Every key that there is, with the ids of tables filled in."""
    for name, key in KEYS.items():
        section, _, field = name.rpartition(".")
        if ANY not in section:
            held = getattr(settings, _attribute(section)) if section else settings
            yield name, key, getattr(held, field)
    for many in sorted(MANY):
        for id, table in getattr(settings, many).items():
            for name, key in KEYS.items():
                head, _, field = name.rpartition(".")
                if head == f"{many}.{ANY}":
                    yield f"{many}.{id}.{field}", key, getattr(table, field)


def to_toml(settings: Settings) -> str:
    """Write the settings in force as a file that `load` reads."""
    lines: list[str] = []
    section = ""
    for name, value in effective(settings).items():
        head, _, key = name.rpartition(".")
        if head != section:
            lines += ["", f"[{head}]"]
            section = head
        lines.append(f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, Section):
        pairs = msgspec.structs.asdict(value).items()
        return "{" + ", ".join(f"{name} = {_toml_value(inner)}" for name, inner in pairs) + "}"
    # A JSON string is a TOML basic string.
    return str(value) if isinstance(value, int) else msgspec.json.encode(value).decode()


def describe() -> str:
    """Write docs/settings.md: every key with its type, default, variable and meaning."""
    lines = [
        "# Settings",
        "",
        "Generated by `script/docs` from `src/workpost/kernel/settings.py`; do not edit.",
        "",
        "A TOML file (`workpost serve --config FILE`), overridden by environment variables,",
        "overridden by the command line. Keys marked *live* also change at SIGHUP.",
        "`workpost config check` says whether a file can be used, `workpost config show` what is",
        "in force.",
    ]
    sections = {f.encode_name: f.type for f in msgspec.structs.fields(Settings)}
    sections |= {f"{many}.{ANY}": get_args(sections[many])[1] for many in MANY}
    section = None
    for name, key in KEYS.items():
        head = name.rpartition(".")[0]
        if head != section:
            section = head
            lines += ["", f"## `[{head}]`" if head else "## Top level", ""]
            if head:
                lines += [" ".join((sections[head].__doc__ or "").split()), ""]
            lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        live = " *Live.*" if key.extra.get("live") else ""
        lines.append(
            f"| `{name.rpartition('.')[2]}`<br>`{key.variable}` | {_type_words(key.type)} | "
            f"`{_toml_value(key.default)}` | {key.description}{live} |"
        )
        if kind := _table_of(key.type):
            lines += _describe_table(name, kind)
            section = None
    return "\n".join(lines) + "\n"


def _describe_table(name: str, kind: type[Section]) -> list[str]:
    """The keys of each table of a list."""
    lines = ["", f"### `[[{name}]]`", "", " ".join((kind.__doc__ or "").split()), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in _keys_of(kind):
        needed = key.default is msgspec.NODEFAULT
        default = "needed" if needed else f"`{_toml_value(key.default)}`"
        words = f"{_type_words(key.type)} | {default} | {key.description}"
        lines.append(f"| `{key.name}` | {words} |")
    return lines


def _type_words(hint: Any) -> str:
    kind, *metas = get_args(hint)
    if get_origin(kind) is tuple:
        return "list of tables" if _table_of(hint) else "list of text"
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        meta = metas[0]
        top = f" to {meta.le}" if meta.le is not None else " or more"
        return f"number, {meta.ge}{top}"
    return "text" if kind is str else " or ".join(f"`{choice}`" for choice in get_args(kind))
