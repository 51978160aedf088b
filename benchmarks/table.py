"""The table: what was measured, beside whom, against which gate or aim."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import apsw
import msgspec

import workpost


class Row(msgspec.Struct, kw_only=True):
    """One measurement. `ratio` says how many times as fast as the peer; 1 is equal."""

    section: str
    what: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    gate: float | None = None
    """What the ratio has to reach (or, where `excess` is set, what the excess may be)."""
    goal: float | None = None
    """A ratio to strive for; a run does not fail without it."""
    aim: float | None = None
    """An absolute figure of the class of machine the project is developed on."""
    lower_is_better: bool = False
    excess: bool = False
    """Compare by difference instead of ratio."""
    note: str = ""
    p50: float | None = None
    p99: float | None = None
    """Milliseconds of one call, where `value` is a rate."""

    @property
    def ratio(self) -> float | None:
        if self.peer_value is None or not self.value or not self.peer_value:
            return None
        if self.lower_is_better:
            return self.peer_value / self.value
        return self.value / self.peer_value

    @property
    def passed(self) -> bool | None:
        """Whether the gate is reached; None without one, or without the peer."""
        if self.gate is None or self.peer_value is None:
            return None
        if self.excess:
            return self.value - self.peer_value <= self.gate
        return self.ratio is not None and self.ratio >= self.gate

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.lower_is_better else self.value >= self.aim


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def cells(row: Row) -> list[str]:
    """What a line of the table says."""
    beside = f"{row.peer} {number(row.peer_value)}" if row.peer_value is not None else row.peer
    compared = ""
    if row.excess and row.peer_value is not None:
        compared = f"{row.value - row.peer_value:+.2f}"
    elif row.ratio is not None:
        compared = f"{row.ratio:.2f} x"
    verdict = []
    if row.p50 is not None:
        verdict.append(f"p50 {number(row.p50)} p99 {number(row.p99)} ms")
    if row.gate is not None:
        sign = "<= +" if row.excess else ">= "
        said = {True: "yes", False: "NO", None: "?"}[row.passed]
        verdict.append(f"gate {sign}{row.gate:g}{'' if row.excess else ' x'}: {said}")
    if row.goal is not None and row.ratio is not None:
        verdict.append(f"goal {row.goal:g} x: {'yes' if row.ratio >= row.goal else 'no'}")
    if row.aim is not None:
        verdict.append(f"aim {row.aim:g}: {'yes' if row.reached else 'no'}")
    return [row.what, f"{number(row.value)} {row.unit}", beside, compared, ", ".join(verdict)]


def render(rows: list[Row]) -> str:
    """The table as text."""
    head = ["", "Workpost", "beside", "ratio", ""]
    lines: list[list[str] | str] = [head]
    section = ""
    sections = list(dict.fromkeys(row.section for row in rows))
    for row in sorted(rows, key=lambda row: sections.index(row.section)):
        if row.section != section:
            section = row.section
            lines.append(section)
        lines.append(cells(row))
    widths = [
        max(len(line[column]) for line in lines if isinstance(line, list)) for column in range(5)
    ]
    text = []
    for line in lines:
        if isinstance(line, str):
            text.append(f"\n{line}")
            continue
        what, value, beside, compared, verdict = line
        text.append(
            f"  {what:<{widths[0]}}  {value:>{widths[1]}}  {beside:<{widths[2]}}"
            f"  {compared:>{widths[3]}}  {verdict}".rstrip()
        )
    notes = [f"  {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join([*text, "", *notes])


def as_json(rows: list[Row]) -> bytes:
    """The rows for programs, ratios included."""
    return msgspec.json.encode(
        [{**msgspec.structs.asdict(row), "ratio": row.ratio, "passed": row.passed} for row in rows]
    )


def machine() -> list[str]:
    """What the figures were measured on and with."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("apsw", "uvloop", "uvicorn", "cryptography")
    )
    postfix = _said("Postfix", "postconf", "-d", "-h", "mail_version")
    dovecot = _said("Dovecot", "dovecot", "--version")
    return [
        f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, load before {load}",
        f"{platform.system()} {platform.release()}, {_distribution()}",
        f"Workpost {workpost.__version__} {_commit()}, {_interpreter()}",
        f"{packages}, SQLite {apsw.sqlite_lib_version()}, {ssl.OPENSSL_VERSION}",
        ", ".join((postfix, dovecot, _said("", "psql", "--version"))),
    ]


def _interpreter() -> str:
    return f"Python {platform.python_version()} in {sys.base_prefix}"


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown distribution"


def _commit() -> str:
    said = _said("", "git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty")
    return said.strip()


def _said(name: str, *command: str) -> str:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError):
        return f"{name or command[0]} not installed"
    return f"{name} {done.stdout.splitlines()[0].strip()}".strip()
