"""A mailbox as a zip: folders as folders, each message a file of exactly the bytes as received.

    INBOX/0000000001.eml
    Sent Items/0000000007.eml
    Projects/Bridge/0000000003.eml

Nothing grows with the mailbox: messages pass in pieces, the zip's directory is spooled; only the
folders' names are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.names import DELIMITER
from workpost.domain.messages import exporting
from workpost.domain.messages.exporting import Stored
from workpost.formats.file_names import FolderNames, message_name
from workpost.formats.zip_stream import ZipStream
from workpost.kernel.errors import Fault
from workpost.kernel.principal import Grant
from workpost.operations.exports.spool import Spool
from workpost.operations.exports.uploading import PartUpload
from workpost.store.core import Core

SMALL = 64 * 1024
"""Messages up to this size are read and packed many at once."""
BATCH = 50
ROUNDS = 2
"""The second one takes what came, or was moved into folders that were done, during the first."""
ITEM_WEIGHT = 512
"""What an item counts for in the progress beside its bytes."""


class Tally(msgspec.Struct):
    """What an archive holds so far; `bytes` are those of the messages."""

    messages: int = 0
    bytes: int = 0
    folders: int = 0
    not_exportable: int = 0

    @property
    def weight(self) -> int:
        """What is done, in the measure of `weight_of`."""
        return self.bytes + ITEM_WEIGHT * (self.messages + self.not_exportable)


def weight_of(size: int, count: int) -> int:
    """What is to be done for a mailbox of so many bytes and items."""
    return size + ITEM_WEIGHT * count


class MailboxArchive:
    """Writes one mailbox into one object.

    `write` raises KeyDestroyed, Fault for a message that does not open, and what `PartUpload` and
    `Spool` raise.
    """

    def __init__(self, core: Core, grant: Grant, upload: PartUpload, spool: Spool) -> None:
        self._core = core
        self._grant = grant
        self._upload = upload
        self._spool = spool
        self._zip = ZipStream()
        self._names = FolderNames()
        self._paths: dict[int, str] = {}
        self._done: dict[int, int] = {}
        self.tally = Tally()

    async def write(self) -> None:
        """Write all folders, then the end of the zip; the object is complete but for its making."""
        for _ in range(ROUNDS):
            for folder in await mailboxes.list_folders(self._core, self._grant):
                await self._write_folder(folder.id, folder.path)
        for block in self._spool.read():
            await self._upload.write(block)
        await self._upload.write(self._zip.finish(self._spool.size))
        await self._upload.finish()

    async def _write_folder(self, folder: int, path: str) -> None:
        name = self._paths.get(folder)
        if name is None:
            # What it is called when it is first seen, whatever people rename meanwhile.
            name = self._paths[folder] = self._names.claim(path.split(DELIMITER))
            self._done[folder] = 0
            self.tally.folders += 1
            await self._upload.write(self._zip.folder(name, self._core.env.now()))
            self._spool.append(self._zip.take_directory())
        while page := await exporting.read_page(
            self._core, self._grant, folder, self._done[folder]
        ):
            await self._write_page(folder, name, page)

    async def _write_page(self, folder: int, name: str, page: Sequence[Stored]) -> None:
        batch: list[Stored] = []
        for item in page:
            if not item.is_message:
                self.tally.not_exportable += 1
                continue
            if item.size <= SMALL:
                batch.append(item)
            if len(batch) == BATCH or (batch and item.size > SMALL):
                await self._write_small(name, batch)
                batch = []
            if item.size > SMALL:
                await self._write_large(name, item)
        if batch:
            await self._write_small(name, batch)
        self._done[folder] = page[-1].uid

    async def _write_small(self, name: str, batch: Sequence[Stored]) -> None:
        raws = await exporting.read_whole(self._core, batch)
        await self._upload.write(await asyncio.to_thread(self._pack, name, batch, raws))
        for item in batch:
            self._count(item)

    def _pack(self, name: str, batch: Sequence[Stored], raws: Sequence[bytes]) -> bytes:
        packed = bytearray()
        for item, raw in zip(batch, raws, strict=True):
            packed += self._zip.begin(name + message_name(item.uid), item.received, item.size)
            packed += self._zip.data(raw)
            packed += self._end(item)
        return bytes(packed)

    async def _write_large(self, name: str, item: Stored) -> None:
        path = name + message_name(item.uid)
        await self._upload.write(self._zip.begin(path, item.received, item.size))
        async for piece in exporting.read_pieces(self._core, item):
            await self._upload.write(await asyncio.to_thread(self._zip.data, piece))
        await self._upload.write(self._end(item))
        self._count(item)

    def _end(self, item: Stored) -> bytes:
        try:
            rest = self._zip.end()
        except ValueError as error:
            raise Fault(f"content {item.content.hex()} has another length: {error}") from error
        self._spool.append(self._zip.take_directory())
        return rest

    def _count(self, item: Stored) -> None:
        self.tally.messages += 1
        self.tally.bytes += item.size
