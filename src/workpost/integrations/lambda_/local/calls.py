"""A filter (seccomp) for the system calls of a worker: none that a function has any use for.

Refused are new namespaces and mounts, looking into other processes, keys of the kernel, memory that
belongs to no process (memfd, System V and POSIX objects), io_uring, and sockets but those of the
internet: Unix sockets without a name in the file system are seen by everybody on the machine.
Where the architecture is not known there is no filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from workpost.integrations.lambda_.local import system

_NAMES = (
    "ptrace process_vm_readv process_vm_writev memfd_create userfaultfd bpf perf_event_open keyctl "
    "add_key request_key unshare setns mount umount2 pivot_root chroot shmget shmat shmctl semget "
    "semop semtimedop semctl msgget msgsnd msgrcv mq_open kexec_load kexec_file_load init_module "
    "finit_module delete_module reboot swapon swapoff acct settimeofday clock_settime "
    "clock_adjtime adjtimex quotactl syslog name_to_handle_at open_by_handle_at kcmp fanotify_init "
    "mbind set_mempolicy migrate_pages move_pages personality vhangup clone socket"
).split()
_X86_64 = (
    "101 310 311 319 323 321 298 250 248 249 272 308 165 166 155 161 29 30 31 64 65 220 66 68 69 "
    "70 240 246 320 175 313 176 169 167 168 163 164 227 305 159 179 103 303 304 312 300 237 238 "
    "256 279 135 153 56 41"
).split()
_AARCH64 = (
    "117 270 271 279 282 280 241 219 217 218 97 268 40 39 41 51 194 196 195 190 193 192 191 186 "
    "189 188 180 104 294 105 273 106 142 224 225 89 170 112 266 171 60 116 264 265 272 262 235 237 "
    "238 239 92 58 220 198"
).split()
_NEWER = (*range(425, 434), 438, 440, 442, 447)
"""io_uring, mounts, pidfd_getfd, process_madvise, mount_setattr, memfd_secret: one number for all."""
_CLONE3 = 435

_ARCHITECTURES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
_NEW_NAMESPACES = 0x7E020000
_FAMILIES = (2, 10, 16)
"""AF_INET, AF_INET6, AF_NETLINK: names are resolved with it."""
_X32 = 0x40000000

_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_ERROR = 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_MODE_FILTER = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def program(machine: str) -> bytes | None:
    """The filter for an architecture as instructions of classic BPF, None where it is not known."""
    known = _ARCHITECTURES.get(machine)
    if known is None:
        return None
    architecture, numbers = known
    calls = dict(zip(_NAMES, map(int, numbers), strict=True))
    clone, socket = calls.pop("clone"), calls.pop("socket")
    refused = _ERROR | errno.EPERM
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_ABOVE, 0, 1, _X32),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        # The C library goes on with clone, whose flags can be looked at.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, refused),
        (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 0, 3 + len(_FAMILIES), socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *((_EQUAL, len(_FAMILIES) - n, 0, family) for n, family in enumerate(_FAMILIES)),
        (_RETURN, 0, 0, refused),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for number in (*calls.values(), *_NEWER):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refused)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install() -> None:
    """Put the filter on this process and all that it starts. Raises OSError.

    The process must have given up gaining privileges (no_new_privs).
    """
    instructions = program(os.uname().machine)
    if instructions is None:
        return
    loaded = _Program(len(instructions) // 8, instructions)
    system.prctl(system.PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(loaded))
