"""An implementation that is not ours, Dovecot's Pigeonhole, comes to the same decisions."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.formats.sieve.scripts import MESSAGE, actions
from tests.support.peers import require_peer

CONFIGURATION = """
log_path = /dev/null
mail_location = maildir:{folder}/mail
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_home = {folder}
plugin {{
  sieve_extensions = +vacation-seconds +editheader
  sieve_editheader_protected = received delivered-to
}}
"""

TESTS = [
    'header :is "subject" "make money fast"',
    'header :contains "subject" ["MONEY", "x"]',
    'header :matches "subject" "*says: make*fast"',
    'header :matches "subject" "?*rg says*"',
    'header :comparator "i;octet" :contains "subject" "Money"',
    'header :contains "x-none" ""',
    'header :contains "x-spam-score" ""',
    'header :is ["x-none", "x-spam-score"] ["3", "4"]',
    'header :index 2 :is "x-spam-score" "3"',
    'header :index 1 :last :is "x-spam-score" "12.5"',
    'date :originalzone "received" "time" "11:59:00"',
    'date :zone "+0000" :count "eq" :comparator "i;ascii-numeric" "received" "year" "1"',
    'header :value "ge" :comparator "i;ascii-numeric" "x-spam-score" "12"',
    'header :value "lt" :comparator "i;ascii-numeric" "x-spam-score" "3"',
    'header :count "eq" :comparator "i;ascii-numeric" "x-spam-score" "2"',
    'header :regex "subject" "m(o|a)ney +fast$"',
    'header :regex "subject" "^fast"',
    'address :is "from" "ada+work@example.test"',
    'address :domain ["to", "cc"] ["lists.example", "nowhere.example"]',
    'address :localpart "to" "TEAM"',
    'address :detail "from" "work"',
    'address :user "from" "ada"',
    'address :detail :matches "cc" "*"',
    'address :count "gt" :comparator "i;ascii-numeric" ["to", "cc"] "2"',
    'envelope "from" "ada@example.test"',
    'envelope :detail "to" "lists"',
    'envelope :domain "to" "other.test"',
    'exists ["from", "date"]',
    'exists ["from", "x-none"]',
    "size :over 500",
    "size :under 500",
    'body :contains "QUICK"',
    'body :raw :contains "=3D"',
    'body :content "text/html" :contains "slow"',
    'body :content "text/plain" :contains "slow"',
    'date :zone "+0000" "date" "hour" "06"',
    'date :originalzone "date" "zone" "-0500"',
    'date :zone "+0100" "date" "weekday" "5"',
    'date :zone "+0000" "date" "julian" "61371"',
    'date :value "ge" "date" "year" "2026"',
    'string :is "${nothing}" ""',
    'string :matches "a-b-c" "*-*"',
    'string :value "lt" :comparator "i;ascii-numeric" "9007199254740992" "9007199254740993"',
    'string :comparator "i;ascii-numeric" :is "010" "10"',
    'string :comparator "i;ascii-numeric" :is "abc" "xyz"',
    'string :matches "É" "é"',
    'header :matches "subject" "jÖrg*"',
    'body :content "multipart" :contains "quick"',
    'header :value "ne" "x-none" "3"',
    'envelope :count "eq" :comparator "i;ascii-numeric" "from" "1"',
    "true",
    "false",
]
REQUIRE = (
    'require ["fileinto", "envelope", "body", "variables", "relational", "subaddress", "date",'
    ' "index", "regex", "copy", "imap4flags", "reject", "comparator-i;ascii-numeric"];\n'
)
# Four redirects at most, which is where both give a script up.
# Pigeonhole takes `fileinto :copy "a"; fileinto "a";` for a copy, and keeps: the names differ.
ACTIONS = [
    'fileinto "{}";',
    'fileinto :copy "copy-{}";',
    'redirect "{}@b.test";',
    'redirect :copy "copy@b.test";',
    "keep;",
    "discard;",
    "stop;",
]


class Pigeonhole:
    """`sieve-test` as a user without rights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "message").write_bytes(MESSAGE.replace(b"\r\n", b"\n"))
        (folder / "conf").write_text(CONFIGURATION.format(folder=folder))

    def actions(self, source: str) -> list[str]:
        (self.folder / "script").write_text(source)
        done = subprocess.run(
            [
                "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                "sieve-test", "-c", str(self.folder / "conf"), "-f", "ada@example.test",
                "-r", "grace+lists@example.test", "script", "message",
            ],
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), "USER": "nobody"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )  # fmt: skip
        assert "Performed actions" in done.stdout, done.stdout + done.stderr
        found = []
        for line in done.stdout.splitlines():
            if kept := re.match(r" \* store message in folder: (.*)", line):
                found.append("keep" if kept[1] == "INBOX" else f"fileinto {kept[1]}")
            elif sent := re.match(r" \* redirect message to: <(.*)>", line):
                found.append(f"redirect {sent[1]}")
        return found


@pytest.fixture(scope="module")
def pigeonhole() -> Iterator[Pigeonhole]:
    require_peer("pigeonhole")
    folder = Path(tempfile.mkdtemp(prefix="sieve-"))
    shutil.chown(folder, "nobody", "nogroup")
    yield Pigeonhole(folder)
    shutil.rmtree(folder)


def test_every_test_of_a_script_holds_for_both(pigeonhole: Pigeonhole) -> None:
    for start in range(0, len(TESTS), 25):
        some = enumerate(TESTS[start : start + 25])
        source = REQUIRE + "".join(f'if {test} {{ fileinto "t{n}"; }}\n' for n, test in some)
        source += 'fileinto "end";'
        assert actions(source) == pigeonhole.actions(source)


def random_script(chance: random.Random) -> str:
    def test(depth: int) -> str:
        kind = chance.randrange(6) if depth < 3 else 5
        if kind == 0:
            return f"not {test(depth + 1)}"
        if kind < 3:
            inner = ", ".join(test(depth + 1) for _ in range(chance.randint(1, 3)))
            return f"{'allof' if kind == 1 else 'anyof'} ({inner})"
        return chance.choice(TESTS)

    def block(depth: int) -> str:
        lines = []
        for _ in range(chance.randint(1, 3)):
            if depth < 2 and chance.random() < 0.5:
                lines.append(f"if {test(0)} {{ {block(depth + 1)} }}")
                if chance.random() < 0.5:
                    lines.append(f"elsif {test(0)} {{ {block(depth + 1)} }}")
                if chance.random() < 0.5:
                    lines.append(f"else {{ {block(depth + 1)} }}")
            else:
                lines.append(chance.choice(ACTIONS).format(chance.choice("abc")))
        return "\n".join(lines)

    return REQUIRE + block(0)


def test_random_scripts_decide_the_same_for_both(pigeonhole: Pigeonhole) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(150):
        source = random_script(chance)
        assert actions(source) == pigeonhole.actions(source), f"seed {seed}\n{source}"
