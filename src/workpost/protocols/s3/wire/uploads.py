"""S3's documents in XML: uploads in parts."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from workpost.protocols.s3.wire.answers import ToldSum, checksum, document, element, iso


def begun(bucket: str, key: str, upload: str) -> bytes:
    """CreateMultipartUpload."""
    parts = [element("Bucket", bucket), element("Key", key), element("UploadId", upload)]
    return document("InitiateMultipartUploadResult", parts)


def completed(location: str, bucket: str, key: str, tag: str, sum: ToldSum | None = None) -> bytes:
    """CompleteMultipartUpload."""
    parts = [
        element("Location", location),
        element("Bucket", bucket),
        element("Key", key),
        element("ETag", f'"{tag}"'),
        *checksum(sum),
    ]
    return document("CompleteMultipartUploadResult", parts)


def part_list(
    place: tuple[str, str, str],
    bounds: tuple[int, int],
    parts: Sequence[tuple[int, int, int, str, ToldSum | None]],
    *,
    more: bool,
) -> bytes:
    """ListParts: bucket, key and upload; marker and how many; of each part what is known.

    That is number, size, time, ETag, and the checksum or None.
    """
    bucket, key, upload = place
    marker, most = bounds
    told = [
        element("Bucket", bucket),
        element("Key", key),
        element("UploadId", upload),
        element("PartNumberMarker", str(marker)),
        element("NextPartNumberMarker", str(parts[-1][0] if parts else marker)),
        element("MaxParts", str(most)),
        element("IsTruncated", "true" if more else "false"),
        "<StorageClass>STANDARD</StorageClass>",
    ]
    told += [
        "<Part>"
        + element("PartNumber", str(number))
        + element("LastModified", iso(modified))
        + element("ETag", f'"{tag}"')
        + element("Size", str(size))
        + "".join(checksum(kept)[:1])
        + "</Part>"
        for number, size, modified, tag, kept in parts
    ]
    return document("ListPartsResult", told)


def upload_list(
    bucket: str,
    asked: tuple[str, str, str, int],
    uploads: Sequence[tuple[str, str, int]],
    *,
    more: bool,
    encoded: bool,
) -> bytes:
    """ListMultipartUploads: prefix, markers, how many were asked; key, id, time of each."""
    prefix, key_marker, id_marker, most = asked

    def shown(text: str) -> str:
        return quote(text) if encoded else text

    told = [
        element("Bucket", bucket),
        element("Prefix", shown(prefix)),
        element("KeyMarker", shown(key_marker)),
        element("UploadIdMarker", id_marker),
        element("MaxUploads", str(most)),
        element("IsTruncated", "true" if more else "false"),
    ]
    if more:
        told += [
            element("NextKeyMarker", shown(uploads[-1][0])),
            element("NextUploadIdMarker", uploads[-1][1]),
        ]
    if encoded:
        told.append(element("EncodingType", "url"))
    told += [
        "<Upload>"
        + element("Key", shown(key))
        + element("UploadId", upload)
        + element("Initiated", iso(began))
        + "<StorageClass>STANDARD</StorageClass></Upload>"
        for key, upload, began in uploads
    ]
    return document("ListMultipartUploadsResult", told)
