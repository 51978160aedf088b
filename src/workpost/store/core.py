"""What protocols, operations and the shells of domain rooms get as their first argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from workpost.kernel.clock import Environment
from workpost.kernel.settings import Settings
from workpost.kernel.trail import NO_TRAIL, Trail
from workpost.store.database.store import Store

if TYPE_CHECKING:
    from workpost.integrations.dns.base import Resolver
    from workpost.store.content.facade import Contents
    from workpost.store.keys.facade import Keys


class Core(msgspec.Struct, kw_only=True):
    """The store, the keys, the contents, the DNS, the environment and the settings of a process.

    Only `settings` is ever replaced: SIGHUP brings live ones, so nobody keeps a copy. `trail` is
    told who got in and who did what (audit logs); tools have none.
    """

    store: Store
    keys: Keys
    contents: Contents
    resolver: Resolver
    env: Environment
    settings: Settings
    trail: Trail = NO_TRAIL
