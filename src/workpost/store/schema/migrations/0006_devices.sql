-- Mobile devices, the policy that they obey and the exceptions from the rules on them; impersonation
-- roles and the tokens by which they are used; addresses by organization, for searches of members.

-- `device` is as it was given last, `device_fold` in lower case.
CREATE TABLE device_override (
    org TEXT NOT NULL,
    entity TEXT NOT NULL,
    device_fold TEXT NOT NULL,
    device TEXT NOT NULL,
    effect TEXT NOT NULL,
    description TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, entity, device_fold)
);
CREATE INDEX device_override_device ON device_override (org, device_fold, entity);

-- `version` rises with every change: a device that has accepted another one has to be provisioned.
CREATE TABLE mobile_policy (
    org TEXT PRIMARY KEY,
    policy TEXT NOT NULL,
    version INTEGER NOT NULL,
    modified INTEGER NOT NULL
);

-- `id` is in lower case, `shown` as the device says it. `policy_key` stands for the policy of
-- `policy_version`: offered while provisioning is required, accepted afterwards.
CREATE TABLE device (
    mailbox INTEGER NOT NULL,
    id TEXT NOT NULL,
    shown TEXT NOT NULL,
    type TEXT NOT NULL,
    model TEXT NOT NULL,
    os TEXT NOT NULL,
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    policy_key INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (mailbox, id)
);

CREATE TABLE impersonation_role (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);

-- `hash` is SHA-256 of the token, `actor` who has assumed the role.
CREATE TABLE impersonation_token (
    org TEXT NOT NULL,
    hash BLOB NOT NULL,
    role TEXT NOT NULL,
    actor TEXT NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (org, hash)
);
CREATE INDEX impersonation_token_expires ON impersonation_token (expires);

CREATE INDEX address_org ON address (org, addr_fold);
