"""A made-up corpus: mail that an office wants, mail that it does not, drawn from word lists.

It shows that the learner tells two kinds of mail apart whose words overlap. It says nothing of how
well it does on real mail.
"""

from __future__ import annotations

import datetime as dt
import random
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime


def _list(text: str) -> list[str]:
    return text.split()


COMMON = _list(
    "the and with for you your this that have from will can please here they know about which"
    " there when today week make time good best regards hello dear thanks new more just only"
    " order account message mail reply contact information people work need free offer price"
)
WANTED = _list(
    "minutes meeting agenda quarter budget invoice contract project deadline review draft slides"
    " customer colleague schedule office travel report attached figures board proposal holiday"
    " printer kitchen lunch release version server ticket branch repair delivery supplier"
)
UNWANTED = _list(
    "winner lottery prize casino bonus jackpot pills pharmacy discount miracle weight loans debt"
    " credit refinance inheritance transfer millions urgent confidential beneficiary crypto"
    " investment guaranteed profit replica watches luxury singles dating verify suspended click"
)
COLLEAGUES = ("ada", "grace", "linus", "barbara", "edsger", "radia")


class Corpus:
    """Messages in a reproducible order."""

    def __init__(self, seed: int = 1, now: dt.datetime | None = None) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self._now = now or dt.datetime.now(dt.UTC)

    def wanted(self) -> bytes:
        """What colleagues and suppliers write."""
        name = self._random.choice(COLLEAGUES)
        domain = self._random.choice(("partner.example", "supplier.example", "demo.test"))
        return self._message(f"{name}@{domain}", name.title(), WANTED, 0.35, 0.02)

    def unwanted(self) -> bytes:
        """What nobody asked for."""
        sender = f"{self._word(8)}@{self._word(9)}.example"
        return self._message(sender, self._word(6).title(), UNWANTED, 0.3, 0.02)

    def _message(
        self, sender: str, name: str, own: list[str], share: float, strange: float
    ) -> bytes:
        self._number += 1
        message = EmailMessage(policy=SMTP)
        message["From"] = f"{name} <{sender}>"
        message["To"] = "grace@demo.test"
        message["Subject"] = " ".join(self._words(4, own, 0.5, strange)).capitalize()
        message["Date"] = format_datetime(self._now)
        message["Message-ID"] = f"<{self._number}.{self._word(8)}@{sender.partition('@')[2]}>"
        lines = [
            " ".join(self._words(9, own, share, strange))
            for _ in range(self._random.randint(4, 12))
        ]
        message.set_content("\n".join(lines))
        return message.as_bytes()

    def _words(self, count: int, own: list[str], share: float, strange: float) -> list[str]:
        other = UNWANTED if own is WANTED else WANTED
        found = []
        for _ in range(count):
            drawn = self._random.random()
            if drawn < share:
                found.append(self._random.choice(own))
            elif drawn < share + strange:
                found.append(self._random.choice(other))
            elif drawn < share + 2 * strange:
                found.append(self._word(7))
            else:
                found.append(self._random.choice(COMMON))
        return found

    def _word(self, length: int) -> str:
        return "".join(self._random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(length))
