"""S3's documents about uploads in parts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.s3.wire import uploads


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_documents_can_be_read_whatever_is_in_a_name(name: str) -> None:
    made = [
        uploads.begun("b", name, "1"),
        uploads.completed(f"/b/{name}", "b", name, "tag"),
        uploads.part_list(("b", name, "1"), (0, 10), [(1, 5, 0, "tag", None)], more=True),
        uploads.part_list(("b", name, "1"), (7, 10), [], more=False),
        *(
            uploads.upload_list(
                "b", (name, name, "1", 10), [(name, "1", 0)], more=True, encoded=encoded
            )
            for encoded in (False, True)
        ),
        uploads.upload_list("b", ("", "", "", 10), [], more=False, encoded=False),
    ]
    for document in made:
        ET.fromstring(document)
