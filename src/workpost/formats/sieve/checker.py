"""From what is written to what may run: every command known, every argument of its type.

Checks happen once, when a script is uploaded; a Script that came out of here can only fail at run
time for what depends on the message or on variables.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from workpost.formats.sieve import constants, regex
from workpost.formats.sieve.errors import SieveError
from workpost.formats.sieve.language import (
    CAPABILITIES,
    COMMANDS,
    COMPARATORS,
    NUMBER,
    STRING,
    TESTS,
    Spec,
    Tagged,
)
from workpost.formats.sieve.limits import MAX_EXPRESSIONS, MAX_PATTERN
from workpost.formats.sieve.syntax import Argument, Node, Tag, parse
from workpost.formats.sieve.variables import decode_characters, is_constant

Value = int | str | tuple[str, ...] | None

_RELATIONS = ("gt", "ge", "lt", "le", "eq", "ne")
_ALWAYS = ("comparator-i;octet", "comparator-i;ascii-casemap")
_FIELD_NAME = re.compile(r"[!-9;-~]+")


class Step(NamedTuple):
    """A command or test that was checked. `tags` by name with the colon; switches have None."""

    name: str
    line: int
    tags: dict[str, Value]
    values: list[Value]
    tests: list[Step]
    block: list[Step]


class Script(NamedTuple):
    """A script that may run; `capabilities` are those it requires."""

    steps: list[Step]
    capabilities: frozenset[str]


def compile_script(source: bytes, *, new: bool = False) -> Script:
    """Read and check a script. Raises SieveError with the line that is to blame.

    Of a `new` one also what its strings say is checked; one that was taken before runs on as far
    as it gets.
    """
    nodes = parse(source)
    checker = _Checker(new=new)
    start = 0
    while start < len(nodes) and nodes[start].name == "require":
        checker.require(nodes[start])
        start += 1
    steps = checker.block(nodes[start:])
    return Script(steps, frozenset(checker.required))


class _Checker:
    """Knows what the script has required so far."""

    def __init__(self, *, new: bool) -> None:
        self.required: set[str] = set()
        self._new = new
        self._expressions = 0

    def require(self, node: Node) -> None:
        """RFC 5228 3.2: the first commands, and only they."""
        step = self._arguments(node, COMMANDS["require"])
        for name in _strings(step.values[0]):
            if name not in CAPABILITIES:
                raise SieveError(f'"{name}" is not supported', node.line)
            self.required.add(name)

    def block(self, nodes: list[Node]) -> list[Step]:
        """Commands of a block, in which elsif and else follow if."""
        found: list[Step] = []
        for node in nodes:
            if node.name == "require":
                raise SieveError("require comes before all other commands", node.line)
            if node.name in ("elsif", "else") and (
                not found or found[-1].name not in ("if", "elsif")
            ):
                raise SieveError(f"{node.name} follows no if", node.line)
            found.append(self._command(node))
        return found

    def _command(self, node: Node) -> Step:
        spec = COMMANDS.get(node.name)
        if spec is None:
            raise SieveError(f"there is no command {node.name}", node.line)
        step = self._arguments(node, spec)
        if spec.block:
            if node.block is None:
                raise SieveError(f"{node.name} needs a block", node.line)
            step = step._replace(block=self.block(node.block))
        elif node.block is not None:
            raise SieveError(f"{node.name} takes no block", node.line)
        self._check_command(step)
        self._check_constants(step)
        return step

    def _test(self, node: Node) -> Step:
        spec = TESTS.get(node.name)
        if spec is None:
            raise SieveError(f"there is no test {node.name}", node.line)
        step = self._arguments(node, spec)
        self._check_match(step)
        if node.name == "size" and not step.tags:
            raise SieveError("size needs :over or :under", node.line)
        self._check_constants(step)
        return step

    def _arguments(self, node: Node, spec: Spec) -> Step:
        if spec.needs and not self.required.intersection(spec.needs):
            raise SieveError(f'{node.name} needs require "{spec.needs[0]}"', node.line)
        if spec.tests == 0 and node.tests:
            raise SieveError(f"{node.name} takes no test", node.line)
        if spec.tests == 1 and len(node.tests) != 1:
            raise SieveError(f"{node.name} takes one test", node.line)
        if spec.tests < 0 and not node.tests:
            raise SieveError(f"{node.name} needs a list of tests", node.line)
        tags, rest = self._tags(node, spec)
        values = self._positional(node, spec, rest)
        return Step(node.name, node.line, tags, values, [self._test(t) for t in node.tests], [])

    def _tags(self, node: Node, spec: Spec) -> tuple[dict[str, Value], list[Argument]]:
        tags: dict[str, Value] = {}
        groups: dict[str, str] = {}
        arguments = list(node.arguments)
        while arguments and isinstance(arguments[0], Tag):
            name = arguments.pop(0).name  # type: ignore[union-attr]
            tagged = spec.tags.get(name)
            if tagged is None:
                raise SieveError(f"{node.name} takes no {name}", node.line)
            if tagged.needs and tagged.needs not in self.required:
                raise SieveError(f'{name} needs require "{tagged.needs}"', node.line)
            if name in tags:
                raise SieveError(f"{name} is given twice", node.line)
            if tagged.group and groups.setdefault(tagged.group, name) != name:
                other = groups[tagged.group]
                raise SieveError(f"{other} and {name} exclude each other", node.line)
            tags[name] = self._tag_value(node, name, tagged, arguments)
        for name in tags:
            beside = spec.tags[name].only_with
            if beside and beside not in tags:
                raise SieveError(f"{name} makes sense beside {beside} only", node.line)
        return tags, arguments

    def _tag_value(self, node: Node, name: str, tagged: Tagged, arguments: list[Argument]) -> Value:
        if tagged.value is None:
            return None
        if not arguments:
            raise SieveError(f"{name} needs {tagged.value}", node.line)
        return self._typed(node, name, tagged.value, arguments.pop(0))

    def _positional(self, node: Node, spec: Spec, given: list[Argument]) -> list[Value]:
        types = list(spec.positional)
        if spec.may_omit_first and len(given) == len(types) - 1:
            types = types[1:]
        elif (
            len(given) == len(types)
            and spec.may_omit_first not in ("", "*")
            and spec.may_omit_first not in self.required
        ):
            raise SieveError(f'{node.name} needs require "{spec.may_omit_first}"', node.line)
        if spec.may_omit_last and len(given) == len(types) - 1:
            types = types[:-1]
        for value in given:
            if isinstance(value, Tag):
                raise SieveError(
                    f"{value.name} stands behind an argument of {node.name}", node.line
                )
        if len(given) != len(types):
            problem = "too few" if len(given) < len(types) else "too many"
            raise SieveError(f"{node.name} has {problem} arguments", node.line)
        return [
            self._typed(node, node.name, wanted, value)
            for wanted, value in zip(types, given, strict=True)
        ]

    def _typed(self, node: Node, name: str, wanted: str, value: Argument) -> Value:
        if isinstance(value, Tag):
            raise SieveError(f"{name} needs {wanted}", node.line)
        if wanted == NUMBER:
            if isinstance(value, int):
                return value
        elif wanted == STRING:
            if isinstance(value, str):
                return self._text(node, value)
        elif not isinstance(value, int):
            texts = (value,) if isinstance(value, str) else value
            return tuple(self._text(node, text) for text in texts)
        raise SieveError(f"{name} needs {wanted}", node.line)

    def _text(self, node: Node, text: str) -> str:
        if "encoded-character" not in self.required:
            return text
        try:
            return decode_characters(text, new=self._new)
        except ValueError as error:
            raise SieveError(str(error), node.line) from None

    def _check_match(self, step: Step) -> None:
        comparator = step.tags.get(":comparator")
        if isinstance(comparator, str):
            if comparator not in COMPARATORS:
                raise SieveError(f'there is no comparator "{comparator}"', step.line)
            capability = f"comparator-{comparator}"
            if capability not in _ALWAYS and capability not in self.required:
                raise SieveError(f'"{comparator}" needs require "{capability}"', step.line)
            if comparator == "i;ascii-numeric" and not step.tags.keys().isdisjoint(
                (":contains", ":matches", ":regex")
            ):
                raise SieveError("i;ascii-numeric compares whole numbers only", step.line)
        for name in (":count", ":value"):
            relation = step.tags.get(name)
            if isinstance(relation, str) and self._is_unknown(relation):
                raise SieveError(
                    f'{name} "{relation}" is none of {", ".join(_RELATIONS)}', step.line
                )
        keys = _strings(step.values[-1]) if step.values else ()
        if ":regex" in step.tags:
            for key in keys:
                self._check_regex(step, key)
        elif ":matches" in step.tags and any(len(key) > MAX_PATTERN for key in keys):
            raise SieveError("the pattern is too long", step.line)

    def _is_unknown(self, relation: str) -> bool:
        may_change = "variables" in self.required and not is_constant(relation)
        return not may_change and relation.lower() not in _RELATIONS

    def _check_regex(self, step: Step, pattern: str) -> None:
        self._expressions += 1
        if self._expressions > MAX_EXPRESSIONS:
            most = f"there are more than {MAX_EXPRESSIONS} regular expressions"
            raise SieveError(most, step.line)
        if "variables" in self.required and not is_constant(pattern):
            return
        try:
            regex.compile_pattern(pattern, ignore_case=False)
        except ValueError as error:
            raise SieveError(f"the regular expression is not usable: {error}", step.line) from None

    def _check_constants(self, step: Step) -> None:
        if not self._new:
            return
        tags = {name: self._constant(value) for name, value in step.tags.items()}
        values = [self._constant(value) for value in step.values]
        # The name of a variable is never put together (RFC 5229 4).
        values[:1] = step.values[:1] if step.name == "set" else values[:1]
        for complaint in constants.complaints(step.name, tags, values):
            raise SieveError(complaint, step.line)

    def _constant(self, value: Value) -> Value:
        """What is left of an argument without the strings that hold variables."""
        if isinstance(value, int) or "variables" not in self.required:
            return value
        if isinstance(value, str):
            return value if is_constant(value) else None
        return tuple(each for each in value or () if is_constant(each))

    def _check_command(self, step: Step) -> None:
        if step.name == "deleteheader":
            self._check_match(step)
        if step.name in ("addheader", "deleteheader"):
            name = str(step.values[0])
            if "variables" in self.required and not is_constant(name):
                return
            if not _FIELD_NAME.fullmatch(name):
                raise SieveError(f'"{name}" is no name of a header field', step.line)


def _strings(value: Value) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
