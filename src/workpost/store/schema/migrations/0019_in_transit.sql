-- Messages that a function may read and replace by their messageId (the Message Flow API): while one of
-- a Run Lambda rule runs on them, and for a day afterwards.

-- `id` is the messageId, unique over all organizations as clients name nothing else. `direction`:
-- incoming, outgoing. `content` is what Get gives; `wrapped_key` is its key under the organization's
-- key of generation `gen`; `skip` counts the octets before the first header field, of our own
-- Return-Path. `function` is the ARN of the one that runs or ran, `running` 1 meanwhile, `synchronous` 1
-- if the mail flow waits for it; `replaced` 1 when `content` was put during that and is what goes on.
-- `fence` is of the runner that began.
CREATE TABLE in_transit (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    direction TEXT NOT NULL,
    content BLOB NOT NULL,
    wrapped_key BLOB NOT NULL,
    gen INTEGER NOT NULL,
    skip INTEGER NOT NULL,
    function TEXT NOT NULL,
    running INTEGER NOT NULL,
    synchronous INTEGER NOT NULL,
    replaced INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX in_transit_id ON in_transit (id);
CREATE INDEX in_transit_content ON in_transit (content);
CREATE INDEX in_transit_expires ON in_transit (expires);
