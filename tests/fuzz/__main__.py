"""Fuzz one target under coverage guidance: `script/fuzz TARGET [--seconds N] [--corpus DIR]`."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Run each target in a process of its own; returns 1 at the first finding."""
    parser = argparse.ArgumentParser(prog="script/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="all, where none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument(
        "--corpus", type=Path, help="where inputs that found something new are kept"
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("script/fuzz: atheris is not installed", file=sys.stderr)
        return 1
    if args.here:
        _fuzz(args.targets[0], args.seconds, args.corpus)
        return 0
    from tests.fuzz.targets import TARGETS

    unknown = set(args.targets) - set(TARGETS)
    if unknown:
        parser.error(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        for name in args.targets or TARGETS:
            corpus = (args.corpus or Path(folder)) / name
            corpus.mkdir(parents=True, exist_ok=True)
            command = ["-m", "tests.fuzz", name, "--here", "--seconds", str(args.seconds)]
            print(f"--- {name}", flush=True)
            code = os.spawnv(
                os.P_WAIT, sys.executable, [sys.executable, *command, "--corpus", str(corpus)]
            )
            if code:
                print(f"script/fuzz: {name} has a finding", file=sys.stderr)
                return 1
    return 0


def _fuzz(name: str, seconds: int, corpus: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["workpost.formats", "workpost.protocols"]):
        from tests.fuzz.targets import BIGGEST, TARGETS
    target = TARGETS[name]
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={BIGGEST}",
        "-timeout=10",
        "-rss_limit_mb=2048",
    ]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
