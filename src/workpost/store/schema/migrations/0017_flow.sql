-- Rules on mail in and out of an organization, the gateways they lead to, and journaling.

-- `direction`: INBOUND, OUTBOUND. `senders` and `destinations` count the patterns in `rule` (JSON);
-- `gateway` is the id of the one it leads to, '' for none.
CREATE TABLE flow_rule (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    direction TEXT NOT NULL,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    senders INTEGER NOT NULL,
    destinations INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX flow_rule_name ON flow_rule (org, direction, name);
CREATE INDEX flow_rule_gateway ON flow_rule (org, gateway);

-- What every message asks: `version` rises with each change of a rule; the addresses of journaling,
-- '' for none.
CREATE TABLE flow_policy (
    org TEXT NOT NULL,
    version INTEGER NOT NULL,
    journal TEXT NOT NULL,
    fallback TEXT NOT NULL,
    PRIMARY KEY (org)
);

-- `sealed` is the password under the organization's key of generation `gen`.
CREATE TABLE smtp_gateway (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    username TEXT NOT NULL,
    sealed BLOB NOT NULL,
    gen INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX smtp_gateway_name ON smtp_gateway (org, name);
