-- Whose turn it is in the queue: `flow` is the organization and a lane within it (`queue_turns.py`).

ALTER TABLE queue_rcpt ADD COLUMN flow TEXT NOT NULL DEFAULT '';
UPDATE queue_rcpt SET flow = COALESCE(
    (SELECT q.org || '/00' FROM queue q WHERE q.id = queue_rcpt.queue), '');
CREATE INDEX queue_rcpt_flow ON queue_rcpt (flow, due, route, queue)
    WHERE state = 'waiting' AND route <> 'local';
CREATE INDEX queue_rcpt_route_flow ON queue_rcpt (route, flow, due, queue)
    WHERE state = 'waiting';
