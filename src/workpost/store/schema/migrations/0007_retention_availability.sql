-- Retention policies, and where free/busy of other domains is asked.

-- `folders` is a JSON list of [folder, action, days]; `due` is when the next run begins.
CREATE TABLE retention_policy (
    org TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    folders TEXT NOT NULL,
    due INTEGER NOT NULL
);
CREATE INDEX retention_policy_due ON retention_policy (due);

-- A run pages through the mailboxes of an organization.
CREATE INDEX mailbox_org ON mailbox (org, id);

-- `kind` EWS: `target` is the URL, `sealed` the password under the organization's key; LAMBDA:
-- `target` is the function's ARN, `sealed` is empty.
CREATE TABLE availability (
    org TEXT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    username TEXT NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, domain)
);
