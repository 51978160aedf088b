"""Is the database whole, and of this version's schema?"""

from __future__ import annotations

import asyncio

from workpost.operations.doctor.patient import Patient, Verdict, failure, ok, skipped, warning
from workpost.store.database.condition import look_at
from workpost.store.schema.migrate import migrations

SECONDS = 45.0


async def check_database(patient: Patient) -> list[Verdict]:
    """What the engine itself says of the file; with PostgreSQL, whether it answers."""
    found = await asyncio.to_thread(look_at, patient.settings, SECONDS)
    newest = migrations()[-1].number
    verdicts = []
    if found.schema == newest:
        verdicts.append(ok("database.schema", "", str(found.schema)))
    elif found.schema < newest:
        advice = "Nothing is to be done: the next start of the server brings it up to date."
        text = f"{found.schema}, this version has {newest}"
        verdicts.append(warning("database.schema", "", text, advice))
    else:
        advice = "Install the version of Workpost that the server runs."
        text = f"{found.schema}, this version knows {newest}"
        verdicts.append(failure("database.schema", "", text, advice))
    advice = (
        "Stop the server, copy the file away, and restore the last backup. Look at the disk:"
        " `dmesg`, `smartctl -a`."
    )
    verdicts += [failure("database.whole", "", problem, advice) for problem in found.problems]
    if not found.complete:
        verdicts.append(skipped("database.whole", "", f"it takes longer than {SECONDS:.0f} s"))
    elif not found.problems:
        verdicts.append(ok("database.whole", "", "whole"))
    return verdicts
