-- Where mail goes on to, who may write to a group, who gets what nobody has; and how much was sent.

-- `forward` is an address, '' for none; with `keeps_copy` 0 the mailbox takes only what cannot be
-- sent on. A remote user has no mailbox: mail for it goes on to `forward`.
ALTER TABLE entity ADD COLUMN forward TEXT NOT NULL DEFAULT '';
ALTER TABLE entity ADD COLUMN keeps_copy INTEGER NOT NULL DEFAULT 1;
-- Of a group: '' everyone, ORGANIZATION, MEMBERS.
ALTER TABLE entity ADD COLUMN senders TEXT NOT NULL DEFAULT '';

-- The id of the entity that gets mail for addresses of the domain that nobody holds.
ALTER TABLE domain ADD COLUMN catch_all TEXT;

-- What differs from the settings; `entity` '' stands for the organization.
CREATE TABLE sending_limit (
    org TEXT NOT NULL,
    entity TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (org, entity, name)
);

-- Recipients of one day (days since 1970, UTC); a row of another day counts from 0 again.
CREATE TABLE sent_by_user (
    org TEXT NOT NULL,
    entity TEXT NOT NULL,
    day INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (org, entity)
);
-- `kind`: EXTERNAL, or TEST for mail from test domains.
CREATE TABLE sent_by_account (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    day INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
);
