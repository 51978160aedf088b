-- Mail for elsewhere: found by its trace id, due rows without looking at those of local mailboxes,
-- destinations in trouble, addresses that nothing is sent to.

ALTER TABLE queue ADD COLUMN trace TEXT NOT NULL DEFAULT '';
CREATE INDEX queue_trace ON queue (trace);

-- 1 when the sender was told that this recipient is late.
ALTER TABLE queue_rcpt ADD COLUMN noticed INTEGER NOT NULL DEFAULT 0;
DROP INDEX queue_rcpt_due;
CREATE INDEX queue_rcpt_due ON queue_rcpt (due, route, queue)
    WHERE state = 'waiting' AND route <> 'local';
CREATE INDEX queue_rcpt_by_route ON queue_rcpt (route);

-- A destination that cannot be reached: nobody tries it before `until`, then one delivery does.
CREATE TABLE queue_route (
    route TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL
);

-- `tag` is a keyed digest of organization and address; `until` 0 for as long as nobody removes it.
CREATE TABLE suppression (
    org TEXT NOT NULL,
    tag BLOB NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    gen INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (org, tag)
);
CREATE INDEX suppression_until ON suppression (until) WHERE until > 0;
