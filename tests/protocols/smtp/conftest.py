"""Fixtures of the SMTP tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocols.smtp.harness import Client, Running, make_certificate
from workpost.protocols.smtp.session import Role


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def ca(certificate: Path) -> Path:
    return certificate.with_name("self-signed.crt")


@pytest.fixture
def mx() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.fixture
def client(mx: Running) -> Iterator[Client]:
    with Client(mx.address) as client:
        assert client.ask(b"EHLO client.test").startswith(b"250")
        yield client


@pytest.fixture
def submission(certificate: Path) -> Iterator[Running]:
    with Running(certificate, role=Role.SUBMISSION) as running:
        yield running
