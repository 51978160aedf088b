-- Organizations over an LDAP or Active Directory server: what was read there, and when.

-- '' for a directory of our own, else its kind; decided when the organization is created.
ALTER TABLE organization ADD COLUMN directory_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE organization ADD COLUMN interoperability INTEGER NOT NULL DEFAULT 0;

-- An entry that is a user or group here. `guid` never changes (entryUUID, objectGUID); `dn` does.
-- `stamp` is a digest of what was written of it; `run` the last synchronization that met it;
-- `password_changed` when its password was changed last, as the directory writes it; `wanted_fold` the
-- name that it has there, which somebody else may have here.
CREATE TABLE directory_entry (
    org TEXT NOT NULL,
    guid TEXT NOT NULL,
    entity TEXT NOT NULL,
    kind TEXT NOT NULL,
    dn TEXT NOT NULL,
    dn_fold TEXT NOT NULL,
    stamp BLOB NOT NULL,
    run INTEGER NOT NULL,
    locked INTEGER NOT NULL,
    password_changed TEXT NOT NULL,
    wanted_fold TEXT NOT NULL,
    PRIMARY KEY (org, guid)
);
CREATE UNIQUE INDEX directory_entry_entity ON directory_entry (org, entity);
CREATE INDEX directory_entry_dn ON directory_entry (org, dn_fold);
CREATE INDEX directory_entry_run ON directory_entry (org, run);

-- Members as the directory names them, also those that are nobody here (yet).
CREATE TABLE directory_member (
    org TEXT NOT NULL,
    grp TEXT NOT NULL,
    dn_fold TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (org, grp, dn_fold)
);
CREATE INDEX directory_member_dn ON directory_member (org, dn_fold);

-- Entries that cannot be a user or group here, and why.
CREATE TABLE directory_problem (
    org TEXT NOT NULL,
    guid TEXT NOT NULL,
    dn TEXT NOT NULL,
    reason TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (org, guid)
);
