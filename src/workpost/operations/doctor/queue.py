"""Does mail move?"""

from __future__ import annotations

from workpost.operations.doctor.patient import (
    NEEDS_DATA,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
    warning,
)
from workpost.store.tables.queue import summarize_queue

HOUR_MS = 3_600_000
LATE_HOURS = 4
OVERDUE_MS = 10 * 60_000
"""A recipient that is due for so long was forgotten by everybody."""


async def check_queue(patient: Patient) -> list[Verdict]:
    """How many wait, since when, and whether somebody works on them."""
    if patient.core is None:
        return [skipped("queue", "", NEEDS_DATA)]
    found = await patient.core.store.read(summarize_queue)
    now = int(patient.now.timestamp() * 1000)
    verdicts = []
    if found.due is not None and now - found.due > OVERDUE_MS:
        text = f"mail is due since {(now - found.due) // 60_000} minutes"
        advice = "Is the server running, with the role jobs? Look into its log."
        verdicts.append(failure("queue.due", "", text, advice))
    if found.held:
        text = f"{found.held} recipients are held"
        verdicts.append(warning("queue.held", "", text, "See why: `workpost queue list`."))
    if found.created is not None and now - found.created > LATE_HOURS * HOUR_MS:
        text = (
            f"{found.waiting} recipients wait, the oldest {(now - found.created) // HOUR_MS} hours"
        )
        verdicts.append(
            warning("queue.age", "", text, "See who waits for what: `workpost queue list`.")
        )
    else:
        verdicts.append(ok("queue.age", "", f"{found.waiting} recipients wait"))
    return verdicts
