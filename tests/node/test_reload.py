"""SIGHUP: what listeners take up without being restarted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from tests.support.directories import bare_core
from workpost.kernel.smtp_settings import Smtp
from workpost.node.build import build_servers
from workpost.protocols.listening.tls import ensure_self_signed
from workpost.store.core import Core

__all__ = ["bare_core"]


async def test_rates_and_the_tarpit_are_live(bare_core: Core, tmp_path: Path) -> None:
    certificate = ensure_self_signed(tmp_path, "mail.a.test", dt.datetime.now(dt.UTC))
    servers = build_servers(bare_core, [], certificate)
    fresh = Smtp(tarpit_seconds=7, messages_per_address=8, unlimited=("192.0.2.0/24",))
    servers.reload(msgspec.structs.replace(bare_core.settings, smtp=fresh))
    strangers = servers._strangers
    assert strangers.limits.tarpit_longest == 7
    assert strangers.by_address["messages"].limit == 8
    assert strangers.meet("192.0.2.1") is None
    assert strangers.meet("198.51.100.1") is not None
