"""All jobs that Workpost knows, in one table."""

from __future__ import annotations

from workpost.domain.access.identity import FORGET
from workpost.domain.mailboxes.exports import EXPORT
from workpost.domain.mailboxes.purge import PURGE
from workpost.domain.messages.lessons import TRAIN
from workpost.domain.organizations.deletion import DELETE
from workpost.domain.organizations.dkim_rotation import TEND
from workpost.domain.organizations.outside import SYNC
from workpost.domain.organizations.recoverable import SWEEP
from workpost.domain.organizations.retention import RETAIN
from workpost.domain.organizations.takeover import TAKE_OVER
from workpost.operations.directories.sync import sync_directory
from workpost.operations.domains.tending import schedule_tending, tend_keys
from workpost.operations.exports.working import export_mailbox
from workpost.operations.filtering.training import schedule_training, train
from workpost.operations.jobs.deleting import delete_organization, take_over_directory
from workpost.operations.jobs.forgetting import forget_tokens
from workpost.operations.jobs.purging import purge_mailbox, schedule_purges
from workpost.operations.jobs.runner import Handler, JobRunner, Scheduler
from workpost.operations.outbound import dmarc_reports, tls_reports
from workpost.operations.recoverable.sweeping import sweep
from workpost.operations.retention.running import apply_policy, schedule_runs
from workpost.store.core import Core

HANDLERS: dict[str, Handler] = {
    DELETE: delete_organization,
    FORGET: forget_tokens,
    PURGE: purge_mailbox,
    dmarc_reports.REPORT: dmarc_reports.report_day,
    RETAIN: apply_policy,
    SWEEP: sweep,
    TAKE_OVER: take_over_directory,
    TEND: tend_keys,
    tls_reports.REPORT: tls_reports.report_day,
    TRAIN: train,
}
SCHEDULERS: tuple[Scheduler, ...] = (
    schedule_purges,
    dmarc_reports.schedule_reports,
    tls_reports.schedule_reports,
    schedule_runs,
    schedule_tending,
    schedule_training,
)


LONG_HANDLERS: dict[str, Handler] = {EXPORT: export_mailbox}
"""Jobs that take minutes or hours: they have runners of their own, so that no other job waits."""


SYNC_HANDLERS: dict[str, Handler] = {SYNC: sync_directory}
"""Reading a directory takes long, too, and waits neither for exports nor they for it."""
SYNCS_AT_ONCE = 4
"""So many directories of a node may be slow before others are read late."""


def build_jobs(core: Core) -> JobRunner:
    """The runner of all jobs but long ones."""
    return JobRunner(core, HANDLERS, SCHEDULERS)


def build_long_jobs(core: Core) -> JobRunner:
    """A runner of long jobs; as many work side by side as there are runners."""
    return JobRunner(core, LONG_HANDLERS)


def build_sync_jobs(core: Core) -> JobRunner:
    """A runner of the jobs that read directories outside."""
    return JobRunner(core, SYNC_HANDLERS)


def build_sync_runners(core: Core) -> list[JobRunner]:
    """As many of them as there are directories, up to a few: a slow one keeps no other waiting."""
    count = max(1, min(SYNCS_AT_ONCE, len(core.settings.directories)))
    return [build_sync_jobs(core) for _ in range(count)]
