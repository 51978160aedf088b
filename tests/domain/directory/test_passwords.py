"""The password policy of WorkMail directories, and argon2id in its bounded pool."""

import asyncio

import pytest

from tests.support.directories import CHEAP
from workpost.domain.directory import passwords
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import Busy, PasswordUnacceptable
from workpost.kernel.settings import Passwords


@pytest.mark.parametrize(
    "password",
    ["Abcdefg1", "abcdefg-1", "ABCDEFG-1", "Passwört", "A1-" + "x" * 60, "12345678éß a"],
)
def test_three_of_five_classes_are_enough(password: str) -> None:
    passwords.check_password(password)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Abcde-1", "8 to 63"),
        ("A1-" + "x" * 61, "8 to 63"),
        ("abcdefgh", "three kinds"),
        ("Abcdefgh", "three kinds"),
        ("abcdefg1", "three kinds"),
        ("Abcdefg1€", "Latin-1"),
        ("Abcdefg1\t", "Latin-1"),
        ("Abcdefg1\x85", "Latin-1"),
    ],
)
def test_what_is_not_acceptable(password: str, reason: str) -> None:
    with pytest.raises(PasswordUnacceptable, match=reason) as caught:
        passwords.check_password(password)
    assert password not in caught.value.message


def test_one_password_has_one_spelling() -> None:
    composed = "Passw\u00f6rd1".encode()
    assert passwords.normalize("Passwo\u0308rd1") == composed
    assert passwords.normalize("Passwo\u0308rd1".encode()) == composed
    assert passwords.normalize("Passw\u00f6rd1".encode("latin-1")) == composed


async def test_hashes_verify_and_name_their_cost() -> None:
    hasher = passwords.Hasher(1)
    stored = await hasher.hash(CHEAP, SystemEnvironment(), b"secret")
    assert stored.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert await hasher.verify(stored, b"secret")
    assert not await hasher.verify(stored, b"Secret")
    assert not await hasher.verify("no hash", b"secret")
    assert not passwords.is_outdated(CHEAP, stored)
    assert passwords.is_outdated(Passwords(), stored)


async def test_too_many_at_once_are_told_to_try_later() -> None:
    hasher = passwords.Hasher(1)
    stored = await hasher.hash(CHEAP, SystemEnvironment(), b"secret")
    results = await asyncio.gather(
        *(hasher.verify(stored, b"secret") for _ in range(passwords.WAITING_PER_THREAD + 3)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Busy) for result in results) == 3
    assert results.count(True) == passwords.WAITING_PER_THREAD
    assert await hasher.verify(stored, b"secret")


async def test_many_new_passwords_leave_room_for_logins() -> None:
    hasher, env = passwords.Hasher(1), SystemEnvironment()
    stored = await hasher.hash(CHEAP, env, b"secret")
    new, logins = await asyncio.gather(
        asyncio.gather(
            *(hasher.hash(CHEAP, env, b"secret") for _ in range(passwords.WAITING_PER_THREAD + 3)),
            return_exceptions=True,
        ),
        asyncio.gather(*(hasher.verify(stored, b"secret") for _ in range(10))),
    )
    assert all(logins)
    assert sum(isinstance(each, str) for each in new) == passwords.NEW_PER_THREAD
    assert sum(isinstance(each, Busy) for each in new) == len(new) - passwords.NEW_PER_THREAD
