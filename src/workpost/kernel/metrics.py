"""Metrics: declared at the top of the module that counts, summed over all processes at `/metrics`.

`counter`, `gauge` and `histogram` return handles at import time and cost nothing until used; the
label values of hot paths are bound once, `ACCEPTED = MESSAGES.labels("accepted")`. The supervisor
calls `configure(run_dir)` before it forks: from then on each process writes numbers to its own
memory-mapped file in `DIR/run/metrics` and whoever calls `render` sums them. Without `configure`
(tools, tests) numbers stay in the process.

An increment costs about a microsecond, and more where processes share numbers: `Counter.gather` is
for what several counters count of each message. Names start with `workpost_`; units are seconds and
bytes.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BYTES = (1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

FILES = (
    "counter",
    "histogram",
    *(f"gauge_{mode}" for mode in ("livesum", "livemax", "mostrecent")),
)
"""The library's names of a process' files, one for each kind and mode."""
RESERVED = 256 * 1024
"""Octets of each of them; the library's own first size is a quarter."""

Kind = TypeVar("Kind", bound="_Handle")
Mode = Literal["livesum", "livemax", "mostrecent"]

_families: dict[str, _Handle] = {}
_registry: CollectorRegistry | None = None

_telling = False
_waiting: list[Counter | Histogram] = []
"""Metrics with gathered amounts."""
_reserved = 0
_binding = threading.Lock()
"""Two threads that count the first time must not both declare the family."""


class _Handle:
    """A metric, or one of its children; bound to the library at its first use."""

    __slots__ = ("_bound", "_children", "_declared", "_values")
    kind = ""

    def __init__(self, declared: dict[str, Any], values: tuple[str, ...] = ()) -> None:
        self._declared = declared
        self._values = values
        self._children: dict[tuple[str, ...], Self] = {}
        self._bound: Any = None

    def labels(self, *values: str) -> Self:
        """Return the child with these label values, in the order of the declaration."""
        child = self._children.get(values)
        if child is None:
            if len(values) != len(self._declared["labelnames"]):
                raise ValueError(f"{self._declared['name']} has other labels than {values}")
            child = self._children[values] = type(self)(self._declared, values)
        return child

    def _bind(self) -> Any:
        family = _families[self._declared["name"]]
        with _binding:
            if family._bound is None:
                import prometheus_client

                _reserve()
                family._bound = getattr(prometheus_client, self.kind)(
                    **self._declared, registry=_own_registry()
                )
        self._bound = family._bound.labels(*self._values) if self._values else family._bound
        return self._bound

    def _forget(self) -> None:
        self._bound = None
        for child in self._children.values():
            child._bound = None


class Counter(_Handle):
    """Something that only grows; its name ends in `_total`."""

    __slots__ = ("_gathered",)
    kind = "Counter"

    def __init__(self, declared: dict[str, Any], values: tuple[str, ...] = ()) -> None:
        super().__init__(declared, values)
        self._gathered: float = 0

    def inc(self, amount: float = 1) -> None:
        """Add to it; never less than zero."""
        (self._bound or self._bind()).inc(amount)

    def gather(self, amount: float = 1) -> None:
        """`inc` for what every message does, on the loop's thread: told at the next `tell`."""
        if not _telling:
            self.inc(amount)
            return
        if not self._gathered:
            _waiting.append(self)
        self._gathered += amount

    def _tell(self) -> None:
        amount, self._gathered = self._gathered, 0
        self.inc(amount)


class Gauge(_Handle):
    """Something that rises and falls; processes that died no longer count."""

    __slots__ = ()
    kind = "Gauge"

    def inc(self, amount: float = 1) -> None:
        (self._bound or self._bind()).inc(amount)

    def dec(self, amount: float = 1) -> None:
        (self._bound or self._bind()).dec(amount)

    def set(self, value: float) -> None:
        (self._bound or self._bind()).set(value)


class Histogram(_Handle):
    """How often values fell into each bucket."""

    __slots__ = ("_gathered",)
    kind = "Histogram"

    def __init__(self, declared: dict[str, Any], values: tuple[str, ...] = ()) -> None:
        super().__init__(declared, values)
        self._gathered: dict[float, int] = {}

    def observe(self, value: float) -> None:
        (self._bound or self._bind()).observe(value)

    def gather(self, value: float) -> None:
        """`observe` as `Counter.gather` counts, for metrics of few different values."""
        if not _telling:
            self.observe(value)
            return
        if not self._gathered:
            _waiting.append(self)
        self._gathered[value] = self._gathered.get(value, 0) + 1

    def _tell(self) -> None:
        gathered, self._gathered = self._gathered, {}
        bound = self._bound or self._bind()
        for value, count in gathered.items():
            # What the library does for one value, which has no name for many.
            bound._sum.inc(value * count)
            for limit, bucket in zip(bound._upper_bounds, bound._buckets, strict=True):
                if value <= limit:
                    bucket.inc(count)
                    break


def counter(name: str, help: str, *labels: str) -> Counter:
    """Declare a counter; the same declaration twice returns the same handle."""
    return _declare(Counter, name, help, labels)


def gauge(name: str, help: str, *labels: str, mode: Mode = "livesum") -> Gauge:
    """Declare a gauge; `mode` says how the processes' values become one."""
    return _declare(Gauge, name, help, labels, multiprocess_mode=mode)


def histogram(name: str, help: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
    """Declare a histogram, of seconds unless other buckets (`BYTES`) are given."""
    return _declare(Histogram, name, help, labels, buckets=tuple(buckets))


def _declare(
    kind: type[Kind], name: str, help: str, labels: tuple[str, ...], **options: Any
) -> Kind:
    declared = {"name": name, "documentation": help, "labelnames": labels, **options}
    handle = _families.setdefault(name, kind(declared))
    if type(handle) is not kind or handle._declared != declared:
        raise ValueError(f"{name} is declared twice, differently")
    return handle


def configure(run_dir: Path) -> None:
    """Share numbers between this process and those it will fork; forgets what was counted before.

    Called once by the supervisor, before it forks and while it holds the lock of the data
    directory: files of an earlier run are removed.
    """
    folder = run_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[VARIABLE] = str(folder)
    from prometheus_client import values

    # The library chooses at import; we may have been imported and used before.
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    _reset()


def tell_regularly(regularly: bool) -> None:
    """Say that somebody calls `tell` from now on, several times a second, or does so no more."""
    global _telling  # noqa: PLW0603 - one state of the process
    _telling = regularly
    tell()


def tell() -> None:
    """Tell what was gathered."""
    while _waiting:
        _waiting.pop()._tell()


def process_died(pid: int) -> None:
    """Take the gauges of a dead child out of the sums; its counters stay."""
    if VARIABLE in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def render() -> bytes:
    """Write all metrics in Prometheus' text format (`CONTENT_TYPE`).

    Reads a file for each process and kind: some milliseconds, so call it in a thread. What other
    processes have gathered since they told last is not in it.
    """
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    if VARIABLE not in os.environ:
        return generate_latest(_own_registry())
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _reserve() -> None:
    """Take the room of this process' files before they are mapped.

    Writing to a mapped file on a full disk kills the process. Where there is no room, numbers stay
    in the process.
    """
    global _reserved  # noqa: PLW0603 - once in each process, forked ones included
    pid = os.getpid()
    if VARIABLE not in os.environ or _reserved == pid:
        return
    _reserved = pid
    from prometheus_client import values

    try:
        for name in FILES:
            with (Path(os.environ[VARIABLE]) / f"{name}_{pid}.db").open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVED)
    except FileExistsError:
        return
    except OSError:
        values.ValueClass = values.MutexValue


def _own_registry() -> CollectorRegistry:
    global _registry  # noqa: PLW0603 - made at first use, so that importing costs nothing
    if _registry is None:
        from prometheus_client import CollectorRegistry

        _registry = CollectorRegistry()
    return _registry


def _reset() -> None:
    global _registry  # noqa: PLW0603 - see above
    _registry = None
    for handle in _families.values():
        handle._forget()
