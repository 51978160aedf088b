-- Listings of users, groups and resources read what they show, not what they leave out: deleted ones
-- are listed by state only, nobody without an address is found by address.

DROP INDEX entity_by_name;
DROP INDEX entity_by_display;
DROP INDEX entity_by_address;
CREATE INDEX entity_by_name ON entity (org, kind, name_fold, id) WHERE state <> 'DELETED';
CREATE INDEX entity_by_display ON entity (org, kind, display_fold, id) WHERE state <> 'DELETED';
CREATE INDEX entity_by_address ON entity (org, kind, primary_fold, id)
    WHERE primary_fold IS NOT NULL;
CREATE INDEX entity_by_state ON entity (org, kind, state, name_fold, id);
