"""Which parts of an upload make an object, its ETag and its checksum."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence

from workpost.formats.checksums import COMPOSITE, FULL, Sum, combine, composite
from workpost.integrations.s3.depot import Chosen, Part, PartsRefused

MIN_PART = 5 << 20
"""Bytes of each part but the last."""
_TAG = re.compile(r"[0-9a-f]{32}")


def choose(parts: Sequence[Part], chosen: Sequence[Chosen]) -> list[Part]:
    """The parts that are to make the object. Raises PartsRefused."""
    numbers = [each.number for each in chosen]
    if any(one >= other for one, other in itertools.pairwise(numbers)):
        raise PartsRefused("The list of parts was not in ascending order.", "InvalidPartOrder")
    known = {each.number: each for each in parts}
    found = []
    for each in chosen:
        part = known.get(each.number)
        if part is None or part.tag != each.tag or each.sum not in {None, part.sum}:
            raise PartsRefused("One or more of the specified parts could not be found.")
        found.append(part)
    if any(each.size < MIN_PART for each in found[:-1]):
        raise PartsRefused(
            "Your proposed upload is smaller than the minimum allowed size.", "EntityTooSmall"
        )
    return found


def tag_of(tags: Sequence[str]) -> str:
    """The ETag of an object of parts, as S3 makes it; "" where one can be no part's."""
    if not all(map(_TAG.fullmatch, tags)):
        return ""
    whole = hashlib.md5(b"".join(map(bytes.fromhex, tags)), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(tags)}"


def sum_of_parts(
    algorithm: str,
    kind: str,
    parts: Sequence[Part],
    chosen: Sequence[Chosen],
    wanted: Sum | None,
) -> Sum | None:
    """The checksum of an object of parts, None for an upload that has none.

    `algorithm` and `kind` are the upload's; `wanted` is what the caller says of the object, also
    where the upload has none but its parts have. Raises PartsRefused.
    """
    if algorithm and kind == COMPOSITE:
        missing = next((each.number for each in chosen if each.sum is None), None)
        if missing is not None:
            raise PartsRefused(
                f"The upload was created using a {algorithm.lower()} checksum. The complete request"
                " must include the checksum for each part. It was missing for part"
                f" {missing} in the request.",
                "InvalidRequest",
            )
    if not algorithm and wanted is not None:
        algorithm, kind = wanted.algorithm, wanted.kind
    if not algorithm:
        return None
    digests = [each.sum.digest() for each in parts if each.sum and each.sum.algorithm == algorithm]
    if len(digests) != len(parts) or (wanted is not None and wanted.algorithm != algorithm):
        raise PartsRefused(
            "The checksum of the object is of another kind than those of its parts.",
            "InvalidRequest",
        )
    if kind == FULL:
        sizes = [each.size for each in parts]
        made = combine(algorithm, zip(digests, sizes, strict=True))
    else:
        made = composite(algorithm, digests)
    if wanted is not None and wanted != made:
        raise PartsRefused(
            f"The {algorithm} you specified did not match the calculated checksum.", "BadDigest"
        )
    return made
