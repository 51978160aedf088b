-- Rows that wait for functions are few: whoever looks for them walks past no other mail.

CREATE INDEX queue_rcpt_function ON queue_rcpt (due, route, queue, flow)
    WHERE state = 'waiting' AND substr(route, 1, 5) = 'rule:';
CREATE INDEX queue_rcpt_function_flow ON queue_rcpt (flow, due, route, queue)
    WHERE state = 'waiting' AND substr(route, 1, 5) = 'rule:';
