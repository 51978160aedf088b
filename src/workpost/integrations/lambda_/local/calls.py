"""A filter (seccomp) for the system calls of a worker: none that a function has any use for.

Refused are new namespaces and mounts, looking into other processes, keys of the kernel, memory that
belongs to no process (memfd, System V and POSIX objects), io_uring, and sockets but those of the
internet: Unix sockets without a name in the file system are seen by everybody on the machine.
Larger buffers for sockets are not given, which a program does not notice: nothing counts them.
Where the architecture is not known there is no filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from workpost.integrations.lambda_.local import system

_CALLS = """
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, memfd_create 319 279,
userfaultfd 323 282, bpf 321 280, perf_event_open 298 241, keyctl 250 219, add_key 248 217,
request_key 249 218, unshare 272 97, setns 308 268, mount 165 40, umount2 166 39,
pivot_root 155 41, chroot 161 51, shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190,
semop 65 193, semtimedop 220 192, semctl 66 191, msgget 68 186, msgsnd 69 189,
msgrcv 70 188, mq_open 240 180, kexec_load 246 104, kexec_file_load 320 294,
init_module 175 105, finit_module 313 273, delete_module 176 106, reboot 169 142,
swapon 167 224, swapoff 168 225, acct 163 89, settimeofday 164 170, clock_settime 227 112,
clock_adjtime 305 266, adjtimex 159 171, quotactl 179 60, syslog 103 116,
name_to_handle_at 303 264, open_by_handle_at 304 265, kcmp 312 272, fanotify_init 300 262,
mbind 237 235, set_mempolicy 238 237, migrate_pages 256 238, move_pages 279 239,
personality 135 92, vhangup 153 58, clone 56 220, socket 41 198, setsockopt 54 208
"""
"""Name, number on x86_64, number on aarch64."""
_NEWER = (*range(425, 434), 438, 440, 442, 447)
"""io_uring, mounts, pidfd_getfd, process_madvise, mount_setattr, memfd_secret: on all the same."""
_CLONE3 = 435

_ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
"""What the kernel calls them, and their column above."""
_NEW_NAMESPACES = 0x7E020000
_FAMILIES = (2, 10, 16)
"""AF_INET, AF_INET6, AF_NETLINK: names are resolved with it."""
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_X32 = 0x40000000

_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_ERROR = 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 24, 32
_MODE_FILTER = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def program(machine: str) -> bytes | None:
    """The filter for an architecture as instructions of classic BPF, None where it is not known."""
    known = _ARCHITECTURES.get(machine)
    if known is None:
        return None
    architecture, column = known
    rows = [row.split() for row in _CALLS.split(",")]
    calls = {row[0]: int(row[column]) for row in rows}
    clone, socket = calls.pop("clone"), calls.pop("socket")
    option = calls.pop("setsockopt")
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
        (_EQUAL, 0, 7, option),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_EQUAL, 0, 3, _SOL_SOCKET),
        (_LOAD, 0, 0, _THIRD_ARGUMENT),
        (_EQUAL, 2, 0, _SO_SNDBUF),
        (_EQUAL, 1, 0, _SO_RCVBUF),
        (_RETURN, 0, 0, _ALLOW),
        # Done, as far as the program knows.
        (_RETURN, 0, 0, _ERROR),
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
