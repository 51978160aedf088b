"""RFC 7208's test data (openspf.org, release 2014.04), case by case."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.authentication.zones import ZoneResolver
from workpost.operations.authentication.spf import check_spf

DATA = Path(__file__).parent / "rfc7208" / "rfc7208-tests.yml"
SCENARIOS = [each for each in yaml.safe_load_all(DATA.read_text("utf-8")) if each]
CASES = [
    pytest.param(scenario["zonedata"], case, id=name)
    for scenario in SCENARIOS
    for name, case in scenario["tests"].items()
]


def test_all_of_the_data_is_here() -> None:
    assert len(SCENARIOS) == 16
    assert len(CASES) == 203


@pytest.mark.parametrize(("zone", "case"), CASES)
def test_case(zone: dict[str, list[Any]], case: dict[str, Any]) -> None:
    found = asyncio.run(
        check_spf(
            ZoneResolver(zone),
            peer=case["host"],
            helo=case["helo"],
            sender=case["mailfrom"],
            host="unknown",
        )
    )
    allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert found.result in allowed, found.reason
    expected = case.get("explanation", "")
    assert expected in {"", found.explanation or "DEFAULT"}
