-- Verification of mail domains with their DKIM keys, and permissions on mailboxes.

-- `token` is what the owner publishes, empty for test domains; `dkim` the state of the DKIM record;
-- verification that has not come to its end 72 hours after `since` has failed.
ALTER TABLE domain ADD COLUMN token TEXT NOT NULL DEFAULT '';
ALTER TABLE domain ADD COLUMN dkim TEXT NOT NULL DEFAULT 'PENDING';
ALTER TABLE domain ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
UPDATE domain SET since = created;
UPDATE domain SET dkim = 'VERIFIED' WHERE is_test = 1;
CREATE UNIQUE INDEX domain_default ON domain (org) WHERE is_default = 1;

-- `public` is what DNS shows of the key: base64 of SubjectPublicKeyInfo for rsa, of the 32 octets
-- for ed25519; `sealed` the private key in PKCS #8 under the organization's key.
CREATE TABLE dkim_key (
    org TEXT NOT NULL,
    domain TEXT NOT NULL,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    public TEXT NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (org, domain, selector)
);

-- What follows the last @: is a domain still in use?
CREATE INDEX address_domain ON address (
    org, (substr(addr_fold, length(rtrim(addr_fold, replace(addr_fold, '@', ''))) + 1))
);

-- On a whole mailbox, or on the address of a group: `rights` are bits, 1 full access, 2 send as,
-- 4 send on behalf.
CREATE TABLE permission (
    org TEXT NOT NULL,
    owner TEXT NOT NULL,
    grantee TEXT NOT NULL,
    rights INTEGER NOT NULL,
    PRIMARY KEY (org, owner, grantee)
);
CREATE INDEX permission_grantee ON permission (org, grantee);
