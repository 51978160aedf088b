"""Checksums that clients send to the S3 door and ask for: fields of requests and of answers."""

from __future__ import annotations

from collections.abc import Mapping

from workpost.formats.checksums import SIZES, Hasher, Sum, default_kind, hasher, is_kind
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.request import Asked

PREFIX = "x-amz-checksum-"
ALGORITHM, TYPE, MODE = (f"{PREFIX}{each}" for each in ("algorithm", "type", "mode"))
MD5 = "content-md5"
_ELEMENTS = {f"Checksum{each}": each for each in SIZES}


class Verifier:
    """Makes the checksums that a body is said to have, and compares them at its end.

    Those that follow the body are announced, or are not known before; of each algorithm that may
    come one is made.
    """

    def __init__(self, asked: Asked, *, trailing: bool, of_body: bool) -> None:
        """`of_body`: checksums in the head are those of the body. Raises S3Error."""
        self._told = _told(asked.headers_named(PREFIX)) if of_body else {}
        if md5 := asked.header(MD5):
            self._told[MD5] = md5
        names = set(self._told)
        if trailing:
            announced = (each.strip().lower() for each in asked.header("x-amz-trailer").split(","))
            names |= {each for each in announced if each.startswith(PREFIX)}
        _refuse_unknown(names)
        self._hashers = {each: hasher(_algorithm(each)) for each in names}

    def update(self, data: bytes) -> None:
        """Add data of the body."""
        for each in self._hashers.values():
            each.update(data)

    def finish(self, fields: Mapping[str, str]) -> Sum | None:
        """Compare; `fields` are those behind the body. Tells what it has. Raises S3Error."""
        behind = _told({name: text for name, text in fields.items() if name.startswith(PREFIX)})
        if behind.keys() - self._hashers.keys():
            raise S3Error("MalformedTrailerError", "A trailing field was not announced.")
        found = None
        for name, text in [*self._told.items(), *behind.items()]:
            _compare(name, text, self._hashers[name])
            if name != MD5:
                found = Sum(_algorithm(name), text)
        return found


def _told(fields: Mapping[str, str]) -> dict[str, str]:
    """Checksums among fields. Raises S3Error."""
    found = {name: text for name, text in fields.items() if name not in {ALGORITHM, TYPE, MODE}}
    if len(found) > 1:
        raise S3Error(
            "InvalidRequest",
            f"Expecting a single {PREFIX} header. Multiple checksum Types are not allowed.",
        )
    _refuse_unknown(found)
    return found


def _refuse_unknown(names: set[str] | dict[str, str]) -> None:
    if any(_algorithm(each) not in {*SIZES, "MD5"} for each in names):
        raise S3Error(
            "InvalidRequest", f"The algorithm type you specified in {PREFIX} header is invalid."
        )


def _algorithm(name: str) -> str:
    return "MD5" if name == MD5 else name.removeprefix(PREFIX).upper()


def _compare(name: str, text: str, made: Hasher) -> None:
    algorithm = _algorithm(name)
    try:
        wanted = Sum(algorithm, text).digest()
    except ValueError:
        # Of characters that are not ASCII, too, for which binascii.Error is not raised.
        wanted = b""
    if len(wanted) != SIZES.get(algorithm, 16):
        if name == MD5:
            raise S3Error("InvalidDigest", "The Content-MD5 you specified is not valid.")
        raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")
    if wanted != made.digest():
        told = "Content-MD5" if name == MD5 else algorithm
        raise S3Error("BadDigest", f"The {told} you specified did not match what we received.")


def object_sum(asked: Asked) -> Sum | None:
    """What is said of an object that is put together of parts. Raises S3Error."""
    for name, text in _told(asked.headers_named(PREFIX)).items():
        found = Sum(_algorithm(name), text)
        if (kind := asked.header(TYPE)) and kind != found.kind:
            raise S3Error("InvalidRequest", f"Value for {TYPE} header is invalid.")
        return found
    return None


def named_algorithm(asked: Asked) -> str:
    """The algorithm that a request names for what it makes, "" for none. Raises S3Error."""
    algorithm = asked.header(ALGORITHM).upper()
    if algorithm and algorithm not in SIZES:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    return algorithm


def named_kind(asked: Asked, algorithm: str) -> str:
    """The type of an upload's checksums. Raises S3Error."""
    kind = asked.header(TYPE)
    if not algorithm:
        if kind:
            raise S3Error("InvalidRequest", f"{TYPE} needs an algorithm.")
        return ""
    if kind and not is_kind(algorithm, kind):
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} algorithm.",
        )
    return kind or default_kind(algorithm)


def fields_of(sum: Sum | None) -> dict[str, str]:
    """What tells a checksum in the head of an answer."""
    if sum is None:
        return {}
    return {f"{PREFIX}{sum.algorithm.lower()}": sum.value, TYPE: sum.kind}


def sum_among(texts: Mapping[str, str]) -> Sum | None:
    """The checksum among the elements of a part, None where there is none."""
    for element, algorithm in _ELEMENTS.items():
        if text := texts.get(element):
            return Sum(algorithm, text)
    return None
