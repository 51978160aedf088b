-- What domains are told about mail in their name (RFC 9990): how often what was seen, a day (days
-- since the epoch) and a domain. A row names domains and addresses of servers, nobody's mailbox.

CREATE TABLE dmarc_tally (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    hash BLOB NOT NULL,
    seen BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, domain, hash)
);
