"""A trail that remembers what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workpost.kernel.trail import ACCESS_TOKENS, Trail


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


def told_of(trail: Remembered) -> list[tuple[str, str]]:
    """(action, name or id) of each personal access token that was told of, with its fields."""
    told = trail.of(ACCESS_TOKENS)
    for each in told:
        assert each["protocol"] == "webapp"
        assert each["user"] == each["user_id"]
        assert ("expires_time" in each, "scopes" in each) == ((each["action"] == "create"),) * 2
    return [(each["action"], each["name"]) for each in told]
