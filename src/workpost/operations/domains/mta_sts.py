"""Which policy a web request for `/.well-known/mta-sts.txt` gets."""

from __future__ import annotations

from workpost.domain.organizations.mail_policies import LABEL, mta_sts_policy
from workpost.formats.addresses import fold_domain
from workpost.kernel.settings import Settings
from workpost.store.core import Core
from workpost.store.tables.domains import get_verified


def policy_text(settings: Settings) -> str:
    """The policy of every domain of this server."""
    return mta_sts_policy(settings.mta_sts.mode, settings.host_name, settings.mta_sts.days)


async def policy_of(core: Core, host: str) -> str | None:
    """The policy for the name in a request's Host; None where no verified domain is meant.

    Raises TryLater.
    """
    name = host.lower()
    if not name.startswith(LABEL):
        return None
    domain = fold_domain(name.removeprefix(LABEL))
    if await core.store.read(get_verified, name=domain) is None:
        return None
    return policy_text(core.settings)
