"""Fixtures of the tests of listeners: both loops, a certificate, a client that trusts anybody."""

import asyncio
import datetime as dt
import ssl

import pytest
import uvloop

from workpost.protocols.listening.tls import Certificates, ensure_self_signed


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["stock", "uvloop"])
def loops(request):
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls")
    return Certificates(ensure_self_signed(path, "mail.a.test", dt.datetime.now(dt.UTC)))


@pytest.fixture
def tls_client():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
