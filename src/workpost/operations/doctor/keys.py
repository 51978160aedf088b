"""Are the keys apart from the data, readable by nobody else, and backed up?"""

from __future__ import annotations

import stat
from pathlib import Path

from workpost.kernel.settings import Settings, sqlite_path
from workpost.operations.doctor.patient import Patient, Verdict, failure, ok, warning
from workpost.operations.upkeep.marks import read_marks

HOUR_MS = 3_600_000


async def check_keys(patient: Patient) -> list[Verdict]:
    """The files of key store and key ring, and who may read them."""
    settings = patient.settings
    verdicts = []
    for path in _key_files(settings):
        if not path.exists():
            advice = f"Put {path} back from the backup of the keys: without it no mail can be read."
            verdicts.append(failure("keys.file", str(path), "it is not there", advice))
            continue
        verdicts += [_apart(settings, path), *_rights(path)]
    return [*verdicts, *_rights(settings.data)]


def _key_files(settings: Settings) -> list[Path]:
    files = [] if settings.keys.kms_key else [settings.keyring_path]
    store = sqlite_path(settings.keys_url)
    return [*files, store] if store is not None else files


def _apart(settings: Settings, path: Path) -> Verdict:
    if path.resolve().is_relative_to(settings.data.resolve()):
        advice = (
            "Stop the server, move the directory elsewhere, best to another disk, and name it by"
            " keys.url and keys.keyring: who gets a copy of the data must not get the keys with it."
        )
        return warning("keys.apart", str(path), "it lies within the data directory", advice)
    if settings.data.exists() and path.stat().st_dev == settings.data.stat().st_dev:
        return ok("keys.apart", str(path), "apart from the data, on the same disk")
    return ok("keys.apart", str(path), "apart from the data, on another disk")


def _rights(path: Path) -> list[Verdict]:
    if not path.exists():
        return []
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        advice = f"chmod go= {path}"
        return [failure("keys.rights", str(path), f"others may use it ({mode:04o})", advice)]
    return [ok("keys.rights", str(path), f"only its owner ({mode:04o})")]


async def check_backups(patient: Patient) -> list[Verdict]:
    """When the last backups were made, by what `workpost backup` and `keys backup` noted."""
    marks = read_marks(patient.settings)
    now = int(patient.now.timestamp() * 1000)
    limit = patient.settings.doctor.backup_hours
    found = []
    for what, made, command in (
        ("data", marks.data, "workpost backup"),
        ("keys", marks.keys, "workpost keys backup"),
    ):
        advice = f"Run `{command}` every day, and keep the file on another machine."
        if not made:
            found.append(warning("backup", what, "none was ever made", advice))
        elif now - made > limit * HOUR_MS:
            text = f"the last one is {(now - made) // HOUR_MS} hours old"
            found.append(warning("backup", what, text, advice))
        else:
            found.append(ok("backup", what, f"{(now - made) // HOUR_MS} hours old"))
    return found
