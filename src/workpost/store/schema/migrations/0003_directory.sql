-- What the directory needs beside users and groups: delegates of resources, a counter of users so
-- that the limit costs nothing, and whether a deleted organization has left its directory behind.

CREATE TABLE delegate (
    org TEXT NOT NULL,
    resource TEXT NOT NULL,
    delegate TEXT NOT NULL,
    PRIMARY KEY (org, resource, delegate)
);
CREATE INDEX delegate_of ON delegate (org, delegate, resource);

-- Users in any state but DELETED.
ALTER TABLE organization ADD COLUMN users INTEGER NOT NULL DEFAULT 0;
UPDATE organization SET users = (SELECT COUNT(*) FROM entity
    WHERE entity.org = organization.id AND entity.kind = 'USER' AND entity.state <> 'DELETED');

-- 1: deleted without its directory, which another organization of the account may take over.
ALTER TABLE organization ADD COLUMN left_directory INTEGER NOT NULL DEFAULT 0;
