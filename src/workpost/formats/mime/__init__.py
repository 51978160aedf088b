"""Mail messages: one summary derived before delivery, and plain slices ever after."""

from workpost.formats.mime.parts import Part
from workpost.formats.mime.searching import (
    MAX_HEADER,
    body_text,
    header_fields,
    header_text,
    header_values,
    search_text,
)
from workpost.formats.mime.sections import MAX_FILTERED, decode_part, filter_header, locate
from workpost.formats.mime.summary import (
    Summary,
    SummaryError,
    packed_body,
    packed_bodystructure,
    packed_envelope,
    packed_layout,
    packed_parts,
    summarize,
)

__all__ = [
    "MAX_FILTERED",
    "MAX_HEADER",
    "Part",
    "Summary",
    "SummaryError",
    "body_text",
    "decode_part",
    "filter_header",
    "header_fields",
    "header_text",
    "header_values",
    "locate",
    "packed_body",
    "packed_bodystructure",
    "packed_envelope",
    "packed_layout",
    "packed_parts",
    "search_text",
    "summarize",
]
