-- What people teach by moving mail to and from Junk E-mail.

-- `sealed` is the key of the words, by the organization's key; `spam` and `ham` are the messages
-- that the counts of the words come from.
CREATE TABLE spam_model (
    org TEXT PRIMARY KEY,
    gen INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    spam INTEGER NOT NULL,
    ham INTEGER NOT NULL
);

-- `word` is a keyed hash; `seen` the day (since the epoch) on which it was last learned.
CREATE TABLE spam_word (
    org TEXT NOT NULL,
    word INTEGER NOT NULL,
    spam INTEGER NOT NULL,
    ham INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (org, word)
) WITHOUT ROWID;
CREATE INDEX spam_word_seen ON spam_word (org, seen);

-- What a content counts as, so that it counts once.
CREATE TABLE spam_judgement (
    org TEXT NOT NULL,
    content BLOB NOT NULL,
    verdict TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (org, content)
) WITHOUT ROWID;
CREATE INDEX spam_judgement_at ON spam_judgement (org, at);

-- Moves that are still to be learned from.
CREATE TABLE spam_lesson (
    org TEXT NOT NULL,
    id INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    item INTEGER NOT NULL,
    content BLOB NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (org, id)
) WITHOUT ROWID;
CREATE INDEX spam_lesson_mailbox ON spam_lesson (mailbox);
