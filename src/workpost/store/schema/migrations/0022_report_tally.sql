-- What other domains are told once a day, by kind ('dmarc', 'tls'): how often what was seen, a day
-- (days since the epoch) and a domain. `family` is the end of the domain, of whose rows there are only
-- so many. A row names domains and addresses of servers, nobody's mailbox.

CREATE TABLE report_tally (
    kind TEXT NOT NULL,
    day INTEGER NOT NULL,
    family TEXT NOT NULL,
    domain TEXT NOT NULL,
    hash BLOB NOT NULL,
    seen BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, day, family, domain, hash)
);
