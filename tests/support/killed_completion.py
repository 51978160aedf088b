"""Complete an upload in a folder, and be killed in the middle: `killed_completion.py ROOT PARTS`.

For each step of completing, a process of its own begins with a fresh bucket and ends by SIGKILL
just before that step, or in the middle of copying a part. Then another one looks at what is left
and completes. Prints a line for each.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from workpost.integrations.s3 import chosen
from workpost.integrations.s3.depot import Chosen, NoObject
from workpost.integrations.s3.folder import FolderDepot
from workpost.integrations.s3.folder_usage import Bounds

STEPS = (
    *("open", "fsync", "rename", "unlink", "rmdir", "mkdir", "sendfile", "ftruncate"),
    *("pwrite", "setxattr"),
)
NAME = "deep/er/object"
BOUNDS = Bounds(1 << 20, 100, 3600)


def die_at(step: int) -> None:
    """Let this process be killed before it calls the system for the `step`th time."""
    left = [step]

    def wrap(name: str) -> None:
        call = getattr(os, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                if name == "sendfile":
                    call(*arguments[:3], 2)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        setattr(os, name, counted)

    for each in STEPS:
        wrap(each)


def put_parts(depot: FolderDepot, datas: list[bytes]) -> tuple[str, list[Chosen]]:
    upload = depot.uploads.begin(NAME)
    parts = []
    for number, data in enumerate(datas, 1):
        writing = depot.uploads.write_part(NAME, upload, number, len(data))
        writing.write(data)
        parts.append(Chosen(number, writing.finish()))
    return upload, parts


def held(depot: FolderDepot) -> bytes | None:
    """The object, None while there is none."""
    try:
        return depot.fetch(NAME, "", 1 << 20)
    except NoObject:
        return None


def main() -> None:
    top, datas = Path(sys.argv[1]), [each.encode() for each in sys.argv[2:]]
    chosen.MIN_PART = 1
    for step in range(1000):
        root = top / f"bucket-{step}"
        depot = FolderDepot(root, BOUNDS)
        depot.check()
        depot.put(NAME, b"before")
        upload, parts = put_parts(depot, datas)
        if not (child := os.fork()):
            die_at(step)
            depot.uploads.complete(NAME, upload, parts)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        later = FolderDepot(root, BOUNDS)
        left = held(later)
        if killed:
            later.uploads.complete(NAME, upload, parts)
        left_over = [*root.glob(".uploading*"), *root.parent.glob(f".{root.name}.uploads/*/name")]
        print(step, killed, left, held(later), len(left_over), flush=True)
        shutil.rmtree(root)
        if not killed:
            return


if __name__ == "__main__":
    main()
