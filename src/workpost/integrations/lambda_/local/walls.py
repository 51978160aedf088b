"""A file system for one worker that holds nothing but what it may see.

Made in a mount namespace of its own: a root in memory, read-only, with the system's programs and
libraries, what of /etc resolving names and TLS need, and the folders that were named. Whatever else
there is on the machine, sockets included, has no name in it.
"""

from __future__ import annotations

import os
import stat

from workpost.integrations.lambda_.local import system
from workpost.integrations.lambda_.local.spec import Spec

BASE = "/tmp"  # noqa: S108 - a place to mount the new root on, in a namespace of its own
TMP = BASE + "/tmp"  # noqa: S108 - the worker's own
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
CONFIGURATION = (
    *("/etc/ld.so.cache", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf"),
    *("/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/localtime", "/etc/timezone"),
    *("/etc/mime.types", "/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
    *("/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted"),
    *("/etc/ca-certificates", "/etc/crypto-policies"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
ROOT_OPTIONS = "size=1m,nr_inodes=4096,mode=0755"
COVER = "size=4k,nr_inodes=1,mode=0"


def build(spec: Spec, uid: int, gid: int) -> None:
    """Enter a mount namespace with a root of its own. Raises OSError.

    The caller may mount (in its user namespace), and is in the PID namespace that /proc is to show.
    """
    system.unshare(system.CLONE_NEWNS | system.CLONE_NEWIPC | system.CLONE_NEWUTS)
    system.mount("none", "/", "", system.MS_REC | system.MS_PRIVATE)
    # All sources are held before the new root covers some of them.
    sources = [*_links_and_folders(), *_held(spec.visible, needed=True)]
    devices = _held(DEVICES, needed=True)
    flags = system.MS_NOSUID | system.MS_NODEV
    system.mount("root", BASE, "tmpfs", flags, ROOT_OPTIONS)
    for folder in ("/proc", "/tmp", "/etc"):  # noqa: S108
        os.mkdir(BASE + folder, 0o755)
    # What is to be seen may lie below /tmp, and goes into the new one.
    system.mount("tmp", TMP, "tmpfs", flags, f"size={spec.tmp},nr_inodes=8192,mode=1777")
    for path, source in sources:
        if path not in spec.files:
            _show(path, source)
    for path, source in devices:
        _show(path, source)
    name = "function"
    files = {
        "/etc/passwd": f"{name}:x:{uid}:{gid}:{name}:/tmp:/usr/sbin/nologin\n",
        "/etc/group": f"{name}:x:{gid}:\n",
        **spec.files,
    }
    for path, text in files.items():
        _write(path, text)
    for hidden in spec.hidden:
        _cover(hidden, [*SYSTEM, *spec.visible], dict(devices)["/dev/null"])
    system.make_read_only(BASE)
    system.make_writable(TMP)
    _show_processes()
    for _, source in (*sources, *devices):
        if isinstance(source, int):
            os.close(source)
    system.enter_root(BASE)


Source = int | str
"""A descriptor of what is shown, or where a symbolic link leads."""


def _links_and_folders() -> list[tuple[str, Source]]:
    found: list[tuple[str, Source]] = []
    for path in SYSTEM:
        if os.path.islink(path):
            found.append((path, os.readlink(path)))
        else:
            found += _held((path,))
    return [*found, *_held(CONFIGURATION)]


def _held(paths: list[str] | tuple[str, ...], needed: bool = False) -> list[tuple[str, Source]]:
    found: list[tuple[str, Source]] = []
    for path in paths:
        try:
            found.append((path, os.open(path, os.O_PATH | os.O_CLOEXEC)))
        except OSError:
            if needed:
                raise
    return found


def _show(path: str, source: Source) -> None:
    target = BASE + path
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    if isinstance(source, str):
        os.symlink(source, target)
        return
    if stat.S_ISDIR(os.fstat(source).st_mode):
        os.makedirs(target, 0o755, exist_ok=True)
    elif not os.path.exists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    held = f"/proc/self/fd/{source}"
    system.mount(held, target, "", system.MS_BIND | system.MS_REC)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(BASE + path), 0o755, exist_ok=True)
    handle = os.open(BASE + path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    os.write(handle, text.encode())
    os.close(handle)


def _cover(hidden: str, visible: list[str], nothing: Source) -> None:
    """Cover what lies in something that is shown, if it does."""
    if not any(hidden == each or hidden.startswith(f"{each}/") for each in visible):
        return
    target = BASE + hidden
    try:
        kind = os.lstat(target).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(kind):
        system.mount("nothing", target, "tmpfs", system.MS_RDONLY, COVER)
    elif not stat.S_ISLNK(kind):
        system.mount(f"/proc/self/fd/{nothing}", target, "", system.MS_BIND)


def _show_processes() -> None:
    """The worker's own processes, where the system lets it see any: it does without, too."""
    flags = system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC
    for options in ("subset=pid,hidepid=2", "hidepid=2"):
        try:
            system.mount("proc", f"{BASE}/proc", "proc", flags, options)
        except OSError:
            continue
        return
