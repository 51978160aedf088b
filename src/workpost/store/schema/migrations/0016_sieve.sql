-- Personal rules: Sieve scripts, what they remember, and the out-of-office setting.

-- Name and text are sealed under the mailbox key; `name_tag` is what a name is found by. At most one
-- script of a mailbox is active.
CREATE TABLE sieve_script (
    mailbox INTEGER NOT NULL,
    name_tag BLOB NOT NULL,
    sealed_name BLOB NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    size INTEGER NOT NULL,
    active INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (mailbox, name_tag)
);
CREATE UNIQUE INDEX sieve_script_active ON sieve_script (mailbox) WHERE active = 1;

-- Who was answered, which ids were seen, what an owner was told: keyed tags, until they expire.
CREATE TABLE sieve_memory (
    mailbox INTEGER NOT NULL,
    kind TEXT NOT NULL,
    tag BLOB NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (mailbox, kind, tag)
);
CREATE INDEX sieve_memory_expires ON sieve_memory (expires);

-- `state` is DISABLED, ENABLED or SCHEDULED (from `starts` to `ends`, milliseconds); the texts are
-- sealed under the mailbox key. `changed` tells one absence from the next.
CREATE TABLE out_of_office (
    mailbox INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    changed INTEGER NOT NULL
);
