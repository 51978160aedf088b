-- The core tables. One text for both engines; on PostgreSQL the migration runner reads INTEGER as
-- BIGINT, BLOB as BYTEA, TEXT as TEXT COLLATE "C", and drops WITHOUT ROWID.
-- Times are milliseconds since the epoch, UTC. Why each column exists: docs/data-model.md.

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created INTEGER NOT NULL
);

CREATE TABLE access_key (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed_secret BLOB NOT NULL,
    gen INTEGER NOT NULL,
    policy TEXT,
    state TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX access_key_account ON access_key (account, id);

CREATE TABLE organization (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    alias TEXT NOT NULL,
    state TEXT NOT NULL,
    directory_id TEXT NOT NULL,
    gal_modseq INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    completed INTEGER,
    error TEXT,
    settings TEXT NOT NULL
);
CREATE INDEX organization_account ON organization (account, id);
CREATE UNIQUE INDEX organization_alias ON organization (alias) WHERE state <> 'Deleted';

CREATE TABLE domain (
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    is_test INTEGER NOT NULL,
    created INTEGER NOT NULL,
    props TEXT NOT NULL,
    PRIMARY KEY (org, name)
);
CREATE UNIQUE INDEX domain_verified ON domain (name) WHERE state = 'VERIFIED';

CREATE TABLE entity (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    display TEXT NOT NULL,
    display_fold TEXT NOT NULL,
    primary_address TEXT,
    primary_fold TEXT,
    hidden INTEGER NOT NULL,
    mailbox INTEGER,
    password TEXT,
    created INTEGER NOT NULL,
    enabled_at INTEGER,
    disabled_at INTEGER,
    provisioned_at INTEGER,
    deprovisioned_at INTEGER,
    props TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX entity_name ON entity (org, name_fold) WHERE state <> 'DELETED';
CREATE INDEX entity_by_name ON entity (org, kind, name_fold, id);
CREATE INDEX entity_by_display ON entity (org, kind, display_fold, id);
CREATE INDEX entity_by_address ON entity (org, kind, primary_fold, id);

CREATE TABLE address (
    addr_fold TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    org TEXT NOT NULL,
    entity TEXT NOT NULL,
    is_primary INTEGER NOT NULL
);
CREATE INDEX address_entity ON address (org, entity);

CREATE TABLE member (
    org TEXT NOT NULL,
    grp TEXT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (org, grp, member)
);
CREATE INDEX member_of ON member (org, member, grp);

CREATE TABLE access_rule (
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, name)
);

CREATE TABLE device_rule (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    rule TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    purge_at INTEGER,
    epoch INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    floor_modseq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    items INTEGER NOT NULL,
    quota INTEGER NOT NULL
);
CREATE INDEX mailbox_owner ON mailbox (org, owner);
CREATE INDEX mailbox_purge ON mailbox (purge_at) WHERE purge_at IS NOT NULL;

CREATE TABLE folder (
    mailbox INTEGER NOT NULL,
    id INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    name_tag BLOB NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    class TEXT NOT NULL,
    role TEXT,
    hidden INTEGER NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uidnext INTEGER NOT NULL,
    first_recent INTEGER NOT NULL,
    total INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created_modseq INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    PRIMARY KEY (mailbox, id)
);
CREATE UNIQUE INDEX folder_name ON folder (mailbox, parent, name_tag);
CREATE UNIQUE INDEX folder_role ON folder (mailbox, role) WHERE role IS NOT NULL;

CREATE TABLE subscription (
    mailbox INTEGER NOT NULL,
    name_tag BLOB NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    PRIMARY KEY (mailbox, name_tag)
);

CREATE TABLE item (
    mailbox INTEGER NOT NULL,
    folder INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    id INTEGER NOT NULL,
    object INTEGER NOT NULL,
    thread INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    size INTEGER NOT NULL,
    received INTEGER NOT NULL,
    saved INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    created_modseq INTEGER NOT NULL,
    content_modseq INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (mailbox, folder, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX item_id ON item (mailbox, id);
CREATE INDEX item_folder_modseq ON item (mailbox, folder, modseq);
CREATE INDEX item_content ON item (content);
CREATE INDEX item_unseen ON item (mailbox, folder, uid) WHERE (flags & 1) = 0;

-- With a rowid: the rows of all mailboxes lie in the order of arrival, so that a delivery appends one
-- instead of squeezing it between those of two mailboxes (docs/decisions/0023-delivery-pages.md).
CREATE TABLE summary (
    mailbox INTEGER NOT NULL,
    item INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    wrapped_content_key BLOB NOT NULL,
    gen INTEGER NOT NULL,
    PRIMARY KEY (mailbox, item)
);

CREATE TABLE item_tag (
    mailbox INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    tag BLOB NOT NULL,
    item INTEGER NOT NULL,
    PRIMARY KEY (mailbox, kind, tag, item)
) WITHOUT ROWID;
CREATE INDEX item_tag_item ON item_tag (mailbox, item);

CREATE TABLE gone (
    mailbox INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    folder INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    item INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (mailbox, modseq, folder, uid)
) WITHOUT ROWID;
CREATE INDEX gone_folder ON gone (mailbox, folder, modseq);

CREATE TABLE content (
    id BLOB NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    place INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE content_bytes (
    id BLOB NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE content_garbage (
    due INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (due, id)
) WITHOUT ROWID;
CREATE INDEX content_garbage_id ON content_garbage (id, due);

CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    content BLOB NOT NULL,
    wrapped_key BLOB NOT NULL,
    gen INTEGER NOT NULL,
    sealed_envelope BLOB NOT NULL,
    direction TEXT NOT NULL,
    created INTEGER NOT NULL,
    hold_until INTEGER
);
CREATE INDEX queue_org ON queue (org, created, id);
CREATE INDEX queue_content ON queue (content);

CREATE TABLE queue_rcpt (
    queue INTEGER NOT NULL,
    n INTEGER NOT NULL,
    route TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (queue, n)
);
CREATE INDEX queue_rcpt_due ON queue_rcpt (due) WHERE state = 'waiting';
CREATE INDEX queue_rcpt_route ON queue_rcpt (route, due) WHERE state = 'waiting';
CREATE INDEX queue_rcpt_leased ON queue_rcpt (lease_until) WHERE state = 'leased';

CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    org TEXT NOT NULL,
    kind TEXT NOT NULL,
    dedupe TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    due INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    cursor BLOB,
    progress INTEGER NOT NULL
);
CREATE INDEX job_due ON job (due) WHERE state = 'waiting';
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'leased';

CREATE TABLE event (
    org TEXT NOT NULL,
    at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    gen INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (org, at, id)
);

-- Settles commits in doubt. Ids begin with 48 bits of time, so that an hour later a range of them
-- is deleted without an index on the time.
CREATE TABLE command_done (
    id BLOB PRIMARY KEY,
    result BLOB NOT NULL
) WITHOUT ROWID;
