"""A trail that remembers what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workpost.kernel.trail import Trail


class Remembered(Trail):
    """Records by kind, as (organization, record), empty fields left out."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    def add(
        self, kind: str, organization: str, record: Mapping[str, Any], *, failed: bool = False
    ) -> None:
        kept = {key: value for key, value in record.items() if value not in ("", [])}
        self.told.append((kind, organization, kept))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for each, _, record in self.told if each == kind]
