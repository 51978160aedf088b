"""How an organization's people prove who they are: Identity Center applications and the identity
provider configuration.

An OpenID Connect provider that the operator has configured for an account stands for an instance
of IAM Identity Center; instances that are not configured do not exist.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from workpost.domain.organizations.idempotency import (
    ClientToken,
    read_result,
    recall,
    with_token,
)
from workpost.domain.organizations.state import (
    account_of,
    begin,
    change_policy,
    check_active,
    require_active,
    require_administrator,
)
from workpost.kernel.errors import InvalidParameter, ResourceNotFound
from workpost.kernel.outside_settings import IdentityProvider
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import identities, jobs, organizations
from workpost.store.tables.identities import ApplicationRow, ProviderRow

PROVIDER_ONLY = "IDENTITY_PROVIDER_ONLY"
ACTIVE = "ACTIVE"
FORGET = "identity.forget-tokens"
"""Kind of the job that removes the tokens of a configuration that is gone."""

_APPLICATION = re.compile(
    r"arn:([a-z-]+):sso::([0-9]{12}):application/((?:sso)?ins-[a-zA-Z0-9.-]{16})/apl-[a-zA-Z0-9]{16}"
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What PutIdentityProviderConfiguration puts; `token_days` None: tokens do not expire."""

    mode: str
    instance_arn: str
    application_arn: str
    token_status: str
    token_days: int | None


def passwords_work(provider: ProviderRow | None) -> bool:
    """Whether the directory's passwords open mailboxes."""
    return provider is None or provider.mode != PROVIDER_ONLY


def find_instance(core: Core, account: str, instance_arn: str) -> IdentityProvider | None:
    """The provider that stands for an instance of an account, None where there is none."""
    for provider in core.settings.identity.providers:
        if (provider.account, provider.instance_arn) == (account, instance_arn):
            return provider
    return None


def identity_store(provider: IdentityProvider) -> str:
    """The IdentityProviderIdentityStoreId of a provider's people."""
    digest = hashlib.sha256(provider.instance_arn.encode()).hexdigest()
    return provider.identity_store or f"d-{digest[:10]}"


# --- applications --------------------------------------------------------------------------------


@command
def insert_application(
    tx: Tx, *, grant: Grant, row: ApplicationRow, limit: int, token: ClientToken | None
) -> str:
    """Insert an application of the grant's account and return its ARN.

    Raises InvalidParameter when the account has `limit` applications.
    """

    def work() -> str:
        require_administrator(grant)
        if identities.count_applications(tx, account=row.account) >= limit:
            raise InvalidParameter(
                f"The account has {limit} Identity Center applications, as many as it may."
            )
        identities.insert_application(tx, row)
        return row.arn

    return with_token(tx, token, str, work)


@command
def delete_application(tx: Tx, *, grant: Grant, arn: str) -> None:
    """Delete an application of the grant's account; one that is not there is no error."""
    require_administrator(grant)
    identities.delete_application(tx, account=account_of(grant), arn=arn)


async def create_identity_center_application(
    core: Core, grant: Grant, *, name: str, instance_arn: str, token: ClientToken | None = None
) -> str:
    """Create an application at an instance of the grant's account and return its ARN.

    Raises InvalidParameter for an instance that the account does not have, for an application too
    many, and for a `token` that came with other parameters.
    """
    known = await core.store.read(recall, token=token)
    if known is not None:
        return read_result(known, str)
    account = account_of(grant)
    if find_instance(core, account, instance_arn) is None:
        raise InvalidParameter(_no_instance(instance_arn))
    partition, instance = instance_arn.split(":")[1], instance_arn.rpartition("/")[2]
    arn = f"arn:{partition}:sso::{account}:application/{instance}/apl-{core.env.new_hex()[-16:]}"
    row = ApplicationRow(arn, account, instance_arn, name, core.env.now())
    limit = core.settings.limits.identity_applications
    return await core.store.write(
        insert_application, grant=grant, row=row, limit=limit, token=token
    )


def _no_instance(arn: str) -> str:
    return f"The account has no instance {arn} of IAM Identity Center."


async def delete_identity_center_application(core: Core, grant: Grant, arn: str) -> None:
    """Delete an application, if it is there; how organizations authenticate stays as it is.

    Nobody signs in through it any more. Raises InvalidParameter for another account's ARN.
    """
    found = _APPLICATION.fullmatch(arn)
    if found is None or found[2] != account_of(grant):
        raise InvalidParameter(f"The application {arn} is not one of this account.")
    await core.store.write(delete_application, grant=grant, arn=arn)


# --- configuration -------------------------------------------------------------------------------


@command
def put_provider(tx: Tx, *, grant: Grant, wanted: Wanted) -> None:
    """Insert or replace the organization's configuration; sessions ask again whether they may stay.

    Raises ResourceNotFound for an application that the account does not have, InvalidParameter for
    one of another instance and for another instance than the configuration has now.
    """
    begin(tx, grant)
    org, now = grant.organization, tx.env.now()
    application = identities.get_application(
        tx, account=_account(tx, org), arn=wanted.application_arn
    )
    if application is None:
        raise ResourceNotFound(f"There is no application {wanted.application_arn}.")
    if application.instance_arn != wanted.instance_arn:
        raise InvalidParameter(
            f"The application {wanted.application_arn} is not one of {wanted.instance_arn}."
        )
    before = identities.get_provider(tx, org=org)
    if before is not None and before.instance_arn != wanted.instance_arn:
        raise InvalidParameter(
            "The organization uses another instance; delete its identity provider configuration"
            " first."
        )
    row = ProviderRow(
        org=org,
        id=tx.env.new_id(),
        mode=wanted.mode,
        instance_arn=wanted.instance_arn,
        application_arn=wanted.application_arn,
        token_status=wanted.token_status,
        token_days=wanted.token_days,
        created=now,
        modified=now,
    )
    identities.put_provider(tx, row)
    change_policy(tx, org)


def _account(tx: Reader, organization: str) -> str:
    known = organizations.get_state(tx, organization=organization)
    return known[0] if known is not None else ""


@quick
def get_provider(tx: Reader, *, grant: Grant) -> ProviderRow:
    """The organization's configuration. Raises ResourceNotFound where there is none."""
    require_active(tx, grant)
    row = identities.get_provider(tx, org=grant.organization)
    if row is None:
        raise ResourceNotFound("The organization has no identity provider configuration.")
    return row


@command
def delete_provider(tx: Tx, *, grant: Grant) -> None:
    """Delete the configuration and with it all tokens; none is no error. Associations stay."""
    begin(tx, grant)
    org = grant.organization
    if not identities.delete_provider(tx, org=org):
        return
    change_policy(tx, org)
    job = tx.env.new_id()
    jobs.insert_job(
        tx, id=job, org=org, kind=FORGET, dedupe=f"forget-tokens/{job}", due=tx.env.now()
    )


async def put_identity_provider(core: Core, grant: Grant, wanted: Wanted) -> None:
    """Let an organization's people sign in through an instance, from this moment on.

    With IDENTITY_PROVIDER_ONLY their directory passwords stop working, and what passwords have
    opened ends. A changed lifetime of tokens is that of new ones. Raises ResourceNotFound for an
    instance or application that the account does not have, InvalidParameter when the two do not
    fit together or the organization uses another instance, OrganizationNotFound,
    OrganizationStateInvalid.
    """
    await core.store.read(check_active, grant=grant)
    account = account_of(grant) or await core.store.read(_account, grant.organization)
    if find_instance(core, account, wanted.instance_arn) is None:
        raise ResourceNotFound(_no_instance(wanted.instance_arn))
    await core.store.write(put_provider, grant=grant, wanted=wanted)


async def describe_identity_provider(core: Core, grant: Grant) -> ProviderRow:
    """The organization's configuration. Raises ResourceNotFound where there is none."""
    return await core.store.read(get_provider, grant=grant)


async def delete_identity_provider(core: Core, grant: Grant) -> None:
    """Go back to directory passwords; tokens are dead, associations stay."""
    await core.store.write(delete_provider, grant=grant)
