"""A function that tries everything that a function must not do; `event["try"]` says what."""

import ctypes
import glob
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
calls: list[str] = []
ticks: list[int] = []


def outcome(attempt):
    """What came of it: a value, or the name of the error."""
    try:
        return attempt()
    except MemoryError:
        return "MemoryError"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else type(error).__name__
    except ValueError:
        return "Operation not permitted"


def done(nothing):
    """What an attempt says that succeeded and had nothing to say."""
    return "done"


def system_call(*arguments):
    done = libc.syscall(*arguments)
    return "done" if done >= 0 else os.strerror(ctypes.get_errno())


def read(path):
    with open(path, "rb") as file:
        return file.read(4096).decode("latin-1")


def listing(path):
    return sorted(os.listdir(path))


def search_processes(name, marker):
    """Processes in whose file of /proc the marker is."""
    found = []
    for path in glob.glob(f"/proc/[0-9]*/{name}"):
        try:
            with open(path, "rb") as file:
                if marker.encode() in file.read(1 << 20):
                    found.append(path)
        except OSError:
            continue
    return found


def peek(pid):
    """Read another process's memory by the call for it, and by its file."""
    local, remote = (ctypes.c_char * 16)(), 4096

    class Piece(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))

    mine = Piece(ctypes.cast(local, ctypes.c_void_p), 16)
    theirs = Piece(remote, 16)
    done = libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return {
        "call": "done" if done >= 0 else os.strerror(ctypes.get_errno()),
        "ptrace": "done" if libc.ptrace(16, pid, 0, 0) >= 0 else os.strerror(ctypes.get_errno()),
        "file": outcome(lambda: str(os.open(f"/proc/{pid}/mem", os.O_RDONLY))),
        "environ": outcome(lambda: read(f"/proc/{pid}/environ")),
        "descriptors": outcome(lambda: listing(f"/proc/{pid}/fd")),
        "kill": outcome(lambda: done(os.kill(pid, 0))),
    }


def descriptors():
    found = {}
    for number in range(512):
        try:
            found[number] = oct(os.fstat(number).st_mode)
        except OSError:
            continue
    return found


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path if path[0] != "@" else "\0" + path[1:])
    return "connected"


def fetch(port, path="/"):
    """Ask an HTTP server on loopback."""
    connection = socket.create_connection(("127.0.0.1", port), 3)
    connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    told = b""
    while piece := connection.recv(65536):
        told += piece
    connection.close()
    return told.rpartition(b"\r\n\r\n")[2].decode("latin-1")


def many(port, count):
    """Several connections at the same time."""
    found = []
    made = [threading.Thread(target=lambda: found.append(len(fetch(port)))) for _ in range(count)]
    for each in made:
        each.start()
    for each in made:
        each.join()
    return sorted(found)


def powers():
    return {
        "user": os.getresuid(),
        "groups": os.getgroups(),
        "capabilities": [
            line for line in read("/proc/self/status").splitlines() if line.startswith("Cap")
        ]
        if os.path.exists("/proc/self/status")
        else [],
        "root": outcome(lambda: done(os.setuid(0))) if os.getuid() else "is",
        "user namespace": system_call(272, 0x10000000),
        "clone": system_call(56, 0x10000000 | 17, 0, 0, 0, 0),
        "mount": "done" if libc.mount(b"x", b"/tmp", b"tmpfs", 0, 0) == 0 else "no",
        "chroot": outcome(lambda: done(os.chroot("/"))),
        "memfd": outcome(lambda: str(os.memfd_create("x"))),
        "shm": "done" if libc.shmget(0, 4096, 0o1600) >= 0 else "no",
        "io_uring": system_call(425, 1, 0),
        "keyctl": system_call(250, 0, -3, 0),
        "packets": outcome(lambda: str(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))),
        "vsock": outcome(lambda: str(socket.socket(40, socket.SOCK_STREAM))),
        "more files": outcome(
            lambda: done(resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))
        ),
    }


def fill_memory(size):
    return len([b"x" * (1 << 20) for _ in range(size)])


def fill_shared(size):
    import mmap

    held = []
    for _ in range(size >> 4):
        piece = mmap.mmap(-1, 16 << 20)
        piece.write(b"x" * (16 << 20))
        held.append(piece)
    return len(held)


def fill_by_children(size):
    for _ in range(8):
        if not os.fork():
            try:
                held = [b"x" * (1 << 20) for _ in range(size)]
                time.sleep(30)
            finally:
                os._exit(len(held) & 1)
    time.sleep(30)


def fill_disk(folder, size):
    written = 0
    for number in range(1000):
        with open(f"{folder}/fill-{number}", "wb", buffering=0) as file:
            while written < size:
                count = file.write(b"x" * (1 << 20))
                written += count
                if count < 1 << 20:
                    break
    return written


def bomb(most):
    made = 0
    try:
        for _ in range(most):
            if not os.fork():
                os.setsid()
                time.sleep(60)
                os._exit(0)
            made += 1
    except OSError as error:
        return f"{made} {os.strerror(error.errno)}"
    return f"{made} made"


def sockets(most):
    """Connections to itself in several processes, each full of what nobody reads."""
    for _ in range(4):
        if not os.fork():
            held = [socket.socketpair() for _ in range(most)]
            time.sleep(60)
            os._exit(len(held) & 1)
    time.sleep(60)


def stuff(most):
    """Bytes that connections to itself take while nobody reads them."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    held, taken = [], 0
    for _ in range(most):
        sender = socket.create_connection(listener.getsockname())
        held += [sender, listener.accept()[0]]
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sender.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        sender.setblocking(False)
        for _ in range(2000):
            try:
                taken += sender.send(b"x" * 65536)
            except BlockingIOError:
                time.sleep(0.001)
    return taken


def threads(most):
    made = 0
    try:
        for _ in range(most):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            made += 1
    except RuntimeError:
        return f"{made} refused"
    return f"{made} made"


def stay():
    """Leave a process behind that is in a session of its own, without parent, deaf to signals."""
    if not os.fork():
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        libc.prctl(1, 0, 0, 0, 0)
        if not os.fork():
            time.sleep(120)
        os._exit(0)
    return "left"


def tick():
    """Work on behind the answer."""

    def work():
        while True:
            ticks.append(1)
            time.sleep(0.01)

    threading.Thread(target=work, daemon=True).start()
    return "ticking"


def flee():
    """Start processes that start the next one before anybody can stop them."""

    def work():
        while True:
            if os.fork():
                os._exit(0)

    for _ in range(4):
        if not os.fork():
            work()
    return "fled"


def forge(payload):
    """Write on the channel as if the function had answered."""
    import struct

    channel = socket.socket(fileno=os.dup(3))
    head = json.dumps(payload).encode()
    channel.sendall(struct.pack(">II", len(head), 4) + head + b'"no"')
    return "yes"


TRIES = {
    "read": read,
    "list": listing,
    "search": search_processes,
    "peek": peek,
    "descriptors": descriptors,
    "connect": connect,
    "fetch": fetch,
    "many": many,
    "interfaces": lambda: [name for _, name in socket.if_nameindex()],
    "powers": powers,
    "memory": fill_memory,
    "shared": fill_shared,
    "children": fill_by_children,
    "disk": fill_disk,
    "bomb": bomb,
    "stuff": stuff,
    "threads": threads,
    "sockets": sockets,
    "stay": stay,
    "tick": tick,
    "flee": flee,
    "ticked": lambda: len(ticks),
    "forge": forge,
    "write": lambda path: Path(path).write_text("x"),
    "environment": lambda: dict(os.environ),
    "run": lambda *command: subprocess.run(
        command, capture_output=True, check=False
    ).stdout.decode(),
    "sleep": lambda seconds: done(time.sleep(seconds)),
    "print": lambda count: [print("x" * 99) for _ in range(count)][:0],
    "garbage": lambda: os.write(3, b"\xff" * 4096),
    "exit": os._exit,
    "crash": lambda: ctypes.string_at(0),
    "large": lambda size: "x" * size,
    "unwritable": lambda: {1, 2},
    "leave": lambda: sys.exit(3),
    "python": lambda: sys.executable,
}


def handler(event, context):
    calls.append(event["try"])
    tried = TRIES[event["try"]]
    return {"outcome": outcome(lambda: tried(*event.get("with", []))), "calls": len(calls)}
