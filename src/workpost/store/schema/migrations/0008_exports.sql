-- Mailbox export jobs: what was asked for and how it ended, beside the row of `job` that works on it.

-- `upload` is the multipart upload that the present attempt fills, empty when there is none;
-- `finishing` 1 once the object is being completed, when it cannot be cancelled any more; `error` of
-- a running job is what its last attempt met.
CREATE TABLE export_job (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    entity TEXT NOT NULL,
    mailbox INTEGER NOT NULL,
    description TEXT,
    role TEXT NOT NULL,
    kms_key TEXT NOT NULL,
    bucket TEXT NOT NULL,
    prefix TEXT NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    progress INTEGER NOT NULL,
    error TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    attempts INTEGER NOT NULL,
    upload TEXT NOT NULL,
    finishing INTEGER NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE INDEX export_job_started ON export_job (org, started, id);
CREATE INDEX export_job_old ON export_job (started);
