"""How much the S3 door takes at once, and how long it waits."""

from __future__ import annotations

MAX_OBJECT = 64 << 20
"""Bytes that are put or copied at once; larger objects are put in parts."""
MOST_BODY = MAX_OBJECT + (MAX_OBJECT >> 6)
"""Bytes of a body with the heads of its chunks."""
PIECE = 512 << 10
"""Bytes of a body or of an answer that are in memory at once; some copies of them are, too."""
BODY_SECONDS = 60.0
"""How long a client may take for a body, what is done with it left out."""
PATIENCE_SECONDS = 10.0
"""How long a request waits for room."""
STALLED_SECONDS = 30.0
"""How long a client may take for one piece of an answer."""
