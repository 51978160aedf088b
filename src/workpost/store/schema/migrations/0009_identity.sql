-- Signing in through an identity provider, and personal access tokens.

-- Who a user is at the identity provider: the last 36 characters of IdentityProviderUserId in lower
-- case, without the ten digits that may precede them. Of two users who claim the same, who could
-- not both be let in, the one with the lower id keeps it.
ALTER TABLE entity ADD COLUMN identity TEXT;
UPDATE entity SET identity = lower(substr(props ->> 'IdentityProviderUserId',
        length(props ->> 'IdentityProviderUserId') - 35))
    WHERE state <> 'DELETED' AND length(props ->> 'IdentityProviderUserId') >= 36;
UPDATE entity SET identity = NULL WHERE EXISTS (SELECT 1 FROM entity AS first
    WHERE first.org = entity.org AND first.identity = entity.identity AND first.id < entity.id);
CREATE UNIQUE INDEX entity_identity ON entity (org, identity)
    WHERE identity IS NOT NULL AND state <> 'DELETED';

CREATE TABLE identity_application (
    arn TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    instance_arn TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX identity_application_account ON identity_application (account);

-- `id` is new whenever one is put where none was: tokens of an earlier one stay dead. `token_days`
-- NULL: tokens do not expire.
CREATE TABLE identity_provider (
    org TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    mode TEXT NOT NULL,
    instance_arn TEXT NOT NULL,
    application_arn TEXT NOT NULL,
    token_status TEXT NOT NULL,
    token_days INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
);

-- `digest` is the SHA-256 of the token, which is 192 random bits; `identity` and `provider` are what
-- the user's and the organization's were when it was made: it works while they are the same.
CREATE TABLE personal_access_token (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    entity TEXT NOT NULL,
    identity TEXT NOT NULL,
    provider INTEGER NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    digest BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    used INTEGER,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX personal_access_token_digest ON personal_access_token (digest);
CREATE INDEX personal_access_token_entity ON personal_access_token (org, entity, id);
CREATE INDEX personal_access_token_expires ON personal_access_token (expires)
    WHERE expires IS NOT NULL;
