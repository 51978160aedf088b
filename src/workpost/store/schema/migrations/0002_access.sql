-- Who may call the API, and the record of what was called: users, roles and their inline policies,
-- tags of organizations, tokens that make repeated calls harmless, the audit log.

-- NULL: a key of the account itself. Otherwise the id of the user whose policies it works under;
-- a key whose user is gone is no key.
ALTER TABLE access_key ADD COLUMN user_id TEXT;
CREATE INDEX access_key_user ON access_key (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE iam_user (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE UNIQUE INDEX iam_user_name ON iam_user (account, name_fold);

CREATE TABLE iam_role (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    trust TEXT NOT NULL,
    max_session INTEGER NOT NULL,
    created INTEGER NOT NULL
);
CREATE UNIQUE INDEX iam_role_name ON iam_role (account, name_fold);

-- `owner` is the id of a user or a role.
CREATE TABLE iam_policy (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (owner, name)
);

CREATE TABLE organization_tag (
    org TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (org, key)
);

-- Inserted by the first statement of the transaction that has the effect.
CREATE TABLE client_token (
    account TEXT NOT NULL,
    op TEXT NOT NULL,
    token TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    result BLOB,
    expires INTEGER NOT NULL,
    PRIMARY KEY (account, op, token)
);
CREATE INDEX client_token_expires ON client_token (expires);

-- A row holds the calls of an account in about a tenth of a second, compressed and sealed;
-- `at` is the latest of them.
CREATE TABLE audit (
    account TEXT NOT NULL,
    at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (account, at, id)
);
CREATE INDEX audit_at ON audit (at);
