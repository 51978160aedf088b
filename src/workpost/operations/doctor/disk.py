"""Is there room for what is to come?"""

from __future__ import annotations

import os
from pathlib import Path

from workpost.kernel.settings import sqlite_path
from workpost.operations.doctor.patient import Patient, Verdict, failure, ok, warning

LOW = 0.15
LOWEST = 0.05
FEWEST_BYTES = 1 << 30
ADVICE = "Make room, or move the directory to a larger disk: a full one accepts no mail."


async def check_disk(patient: Patient) -> list[Verdict]:
    """Space and inodes of each file system that holds something of ours."""
    settings = patient.settings
    folders = [settings.data, settings.content_dir, settings.keyring_path.parent]
    folders += [path.parent for path in (sqlite_path(settings.keys_url),) if path is not None]
    verdicts = []
    seen = set()
    for folder in folders:
        if folder.exists() and (device := folder.stat().st_dev) not in seen:
            seen.add(device)
            verdicts += judge(folder, os.statvfs(folder))
    return verdicts


def judge(folder: Path, found: os.statvfs_result) -> list[Verdict]:
    """What a file system's figures say; some have no inodes to count."""
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    verdicts = [_judged("disk.space", folder, free, total, f"{free / (1 << 30):.1f} GiB free")]
    if found.f_files:
        text = f"{found.f_favail} inodes free"
        verdicts.append(_judged("disk.inodes", folder, found.f_favail, found.f_files, text))
    return verdicts


def _judged(check: str, folder: Path, free: int, total: int, text: str) -> Verdict:
    share = free / total if total else 0.0
    scarce = check == "disk.space" and free < FEWEST_BYTES
    text = f"{text} ({share:.0%})"
    if share < LOWEST or scarce:
        return failure(check, str(folder), text, ADVICE)
    if share < LOW:
        return warning(check, str(folder), text, ADVICE)
    return ok(check, str(folder), text)
