"""`--demo`: an organization to play with, made at the first start of a data directory.

Everything is random per directory and told in DIR/demo.json, which is written last: a start that
was cut short begins again from nothing. A demo directory can be served without `--demo` later.
"""

from __future__ import annotations

import msgspec

from workpost.domain.access.accounts import create_access_key, create_account
from workpost.domain.directory import shell as directory
from workpost.domain.directory.resource_shell import create_resource
from workpost.domain.mailboxes.registration import register_to_workmail
from workpost.domain.organizations import shell as organizations
from workpost.domain.organizations.shell import NewOrganization
from workpost.kernel.errors import NameUnavailable
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.node import datadir
from workpost.node.demo_mail import demo_messages
from workpost.operations.jobs.build import build_jobs
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.setup.founding import new_password
from workpost.store.core import Core
from workpost.store.tables.organizations import find_alias

DEMO = "demo.json"
BEGUN = "demo.begun"
"""Beside it while the demo is being made: what is there is ours to clear away."""
ALIAS = "demo"
PEOPLE = (("ada", "Ada Example"), ("grace", "Grace Example"))
JOB = "demo"


def for_demo(settings: Settings) -> Settings:
    """The settings of a demo: no mail leaves, login without TLS on loopback.

    Its people have addresses in a test domain and write to each other as much as they like.
    """
    return msgspec.structs.replace(
        settings,
        mailflow=msgspec.structs.replace(settings.mailflow, hold_outside=True),
        login=msgspec.structs.replace(settings.login, without_tls=True),
        limits=msgspec.structs.replace(settings.limits, test_domain_recipients_per_day=0),
    )


async def ensure_demo(core: Core) -> None:
    """Make the demo unless DIR/demo.json says that it is there."""
    path = core.settings.data / DEMO
    begun = core.settings.data / BEGUN
    if path.exists():
        return
    await _clear_away(core, ours=begun.exists())
    datadir.write_private(begun, {})
    account = await create_account(core, name=ALIAS)
    key = await create_access_key(core, account)
    organization = await organizations.create_organization(
        core, Grant.system(JOB, ""), account, NewOrganization(alias=ALIAS)
    )
    domain = f"{ALIAS}.{core.settings.organizations.suffix}"
    users = await _fill(core, organization, domain)
    for sender, recipients, raw in demo_messages(domain, core.env.now() / 1000):
        envelope = Envelope(
            sender=sender, recipients=recipients, helo="demo", peer="127.0.0.1", protocol="LMTP"
        )
        await pipeline.receive(core, envelope, raw)
    datadir.write_private(
        path,
        {
            "account_id": account,
            "region": core.settings.api.region,
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
            "organization_id": organization,
            "domain": domain,
            "users": users,
        },
    )
    begun.unlink()


async def _clear_away(core: Core, *, ours: bool) -> None:
    """Delete the organization of a start of ours that did not come to its end.

    Raises NameUnavailable for an organization that somebody else made: another node's demo, or
    people's own.
    """
    left = await core.store.read(find_alias, alias=ALIAS)
    if left is not None and not ours:
        raise NameUnavailable(
            f"the database has an organization {ALIAS} already; serve without --demo"
        )
    if left is not None:
        await organizations.delete_organization(core, Grant.system(JOB, left), force=True)
        await build_jobs(core).run_due()


async def _fill(core: Core, organization: str, domain: str) -> list[dict[str, str]]:
    grant = Grant.system(JOB, organization)
    users = []
    ids = []
    for name, display in PEOPLE:
        password = new_password()
        ids.append(
            await directory.create_user(core, grant, name=name, display=display, password=password)
        )
        email = f"{name}@{domain}"
        await register_to_workmail(core, grant, ids[-1], email)
        users.append({"email": email, "name": name, "password": password})
    group = await directory.create_group(core, grant, name="everyone")
    await register_to_workmail(core, grant, group, f"everyone@{domain}")
    for member in ids:
        await directory.add_member(core, grant, group=group, member=member)
    room = await create_resource(core, grant, name="boardroom")
    await register_to_workmail(core, grant, room, f"boardroom@{domain}")
    return users
