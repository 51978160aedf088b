-- The life of a DKIM key: WAITING until the DNS shows it, then ACTIVE (it signs), RETIRING while
-- mail that it signed is on its way, then gone.

-- `since` is when the key came into its state; `due` when it is looked at next: NULL before the
-- domain is verified, for an ACTIVE key when its age began to count.
ALTER TABLE dkim_key ADD COLUMN state TEXT NOT NULL DEFAULT 'WAITING';
ALTER TABLE dkim_key ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dkim_key ADD COLUMN due INTEGER;
UPDATE dkim_key SET since = created;
UPDATE dkim_key SET due = created WHERE EXISTS (
    SELECT 1 FROM domain
    WHERE domain.org = dkim_key.org AND domain.name = dkim_key.domain AND domain.state = 'VERIFIED'
);
CREATE INDEX dkim_key_due ON dkim_key (state, due);
