-- What is told to log groups: mail events of organizations that have a monitoring configuration, and
-- service logs (audit logs) that a setting maps.

-- `role` empty: the service's own; `since` is when it was first put: older events are not its.
CREATE TABLE email_monitoring (
    org TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    role TEXT NOT NULL,
    log_group TEXT NOT NULL,
    since INTEGER NOT NULL
);

-- 1 until the event is in the log group. A mark and not a position: transactions end in another order
-- than the one in which they took the time, and what came later with an earlier time would be missed.
ALTER TABLE event ADD COLUMN unsent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX event_unsent ON event (org, at, id) WHERE unsent = 1;

-- Lines of service logs that are on their way, one kind of one organization in a row; `at` is the time
-- of the first of them, `lines` how many there are.
CREATE TABLE service_log (
    org TEXT NOT NULL,
    at INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    lines INTEGER NOT NULL,
    gen INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (org, at, id)
);
