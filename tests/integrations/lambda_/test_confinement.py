"""What a function that runs here cannot do, whichever way confines it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.jail import SECRET, WAYS, Jail
from tests.support.outside import OutsideServer
from workpost.integrations.lambda_.local import network

EXPECTED = {"walls": "walls", "user": "user", "userns": "walls"}
NO = {
    "No such file or directory",
    "Permission denied",
    "Operation not permitted",
    "No such process",
    "Invalid argument",
}


@pytest.fixture(scope="module", params=WAYS)
def jail(request: pytest.FixtureRequest) -> Iterator[Jail]:
    made = Jail(request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def walled() -> Iterator[Jail]:
    made = Jail("walls")
    yield made
    made.close()


Jails = Callable[..., Jail]


@pytest.fixture
def jails() -> Iterator[Jails]:
    with contextlib.ExitStack() as made:

        def make(way: str, **changes: Any) -> Jail:
            return made.enter_context(contextlib.closing(Jail(way, **changes)))

        yield make


def test_the_way_is_the_one_that_was_meant(jail: Jail) -> None:
    assert jail.started == {"way": EXPECTED[jail.way]}


# --- what the server has --------------------------------------------------------------------------


def test_keys_data_and_settings_cannot_be_read(jail: Jail) -> None:
    assert jail.key.read_text() == SECRET
    for path in (jail.key, jail.settings):
        assert jail.attempt("read", str(path)) in NO
        # Behind walls it may be a file of its own, in its own /tmp.
        jail.attempt("write", str(path))
        assert path.read_text() == SECRET
    assert jail.attempt("list", str(jail.data)) in NO


def test_the_environment_of_no_process_tells_the_secret(jail: Jail) -> None:
    assert SECRET.encode() in Path(f"/proc/{jail.pid}/environ").read_bytes()
    assert jail.attempt("search", "environ", SECRET) == []
    assert SECRET not in str(jail.attempt("environment"))


def test_the_memory_and_descriptors_of_the_server_are_out_of_reach(jail: Jail) -> None:
    for told in jail.attempt("peek", jail.pid).values():
        assert told in NO


def test_no_descriptor_of_the_server_is_inherited(jail: Jail) -> None:
    """Input, output twice, the channel."""
    found = jail.attempt("descriptors")
    assert set(found) <= {"0", "1", "2", "3"}
    assert oct(os.stat(jail.settings).st_mode) not in found.values()


def test_unix_sockets_of_the_server_and_of_others_are_out_of_reach(jail: Jail) -> None:
    for path in (str(jail.socket), jail.abstract):
        assert jail.attempt("connect", path) in NO


def test_no_power_is_left(jail: Jail) -> None:
    told = jail.attempt("powers")
    assert all(uid == jail.uid for uid in told.pop("user"))
    assert told.pop("groups") in ([], [jail.uid])
    capabilities = {line.split()[0]: int(line.split()[1], 16) for line in told.pop("capabilities")}
    assert not capabilities.get("CapEff:", 0)
    assert not capabilities.get("CapPrm:", 0)
    assert not capabilities.get("CapAmb:", 0)
    for what, outcome in told.items():
        assert outcome in {*NO, "no"}, what


def test_nothing_outside_its_tmp_can_be_written(jail: Jail) -> None:
    for path in (f"{jail.code}/hostile.py", f"{jail.code}/new.py", "/usr/new", "/etc/passwd"):
        assert jail.attempt("write", path) in {*NO, "Read-only file system"}


def test_behind_walls_the_machine_is_empty(jail: Jail) -> None:
    if EXPECTED[jail.way] != "walls":
        return
    root = set(jail.attempt("list", "/"))
    assert not root & {"var", "home", "run", "srv", "boot", "sys", "media", "mnt"}
    # Temporary folders may lie in memory, and with them the code that is to be seen.
    memory = {"shm"} if jail.code.is_relative_to("/dev/shm") else set()
    assert set(jail.attempt("list", "/dev")) == {"null", "zero", "random", "urandom"} | memory
    for path in ("/etc/shadow", "/etc/ssh", "/etc/workpost", "/var/lib", "/run"):
        assert jail.attempt("read", path) == "No such file or directory"
    processes = jail.attempt("list", "/proc")
    assert [each for each in processes if each.isdigit()] in ([], ["1"])


# --- what a machine has not without end -----------------------------------------------------------


def test_a_fork_bomb_ends_at_its_bound_and_leaves_nothing(jail: Jail) -> None:
    told = jail.ask("bomb", 500)
    if "outcome" in told:
        assert told["outcome"].endswith("Resource temporarily unavailable")
        assert int(told["outcome"].split()[0]) < 64
    else:
        assert told["detail"] == "it started more processes than it may"
    jail.ask("exit", 0)
    wait_until(lambda: not children_of(jail.pid))
    assert jail.attempt("python")


def test_a_fork_bomb_keeps_no_other_function_of_its_user_from_work(jails: Jails) -> None:
    """Neither one that runs nor one that is to be started."""
    bomber = jails("walls")
    healthy = jails("walls", uid=bomber.uid)
    told = bomber.ask("bomb", 500)
    assert told.get("outcome") == "31 Resource temporarily unavailable" or (
        told["detail"] == "it started more processes than it may"
    )
    # Whatever of the bomb the look of the minder left alive.
    assert healthy.attempt("run", "/bin/echo", "hello") == "hello\n"
    later = jails("walls", uid=bomber.uid)
    assert later.started == {"way": "walls"}
    assert later.attempt("bomb", 24) == "24 made"


def test_bombs_of_one_user_have_each_their_own_bound(jails: Jails) -> None:
    first = jails("walls")
    others = [jails("walls", uid=first.uid) for _ in range(2)]
    for jail in (first, *others):
        # They stay while the next one starts as many: 72 of one user, whose bound is 32.
        assert jail.attempt("bomb", 24) == "24 made"


def test_connections_are_bounded_for_all_processes_together(jail: Jail) -> None:
    told = jail.ask("sockets", 100, seconds=60)
    detail = "it opened more files and connections than it may"
    assert (told["trouble"], told["detail"]) == ("FAILED", detail)


@pytest.mark.parametrize("way", ["walls", "userns"])
def test_connections_hold_little(jails: Jails, way: str) -> None:
    """In a network of its own; nor can it ask for larger buffers."""
    jail = jails(way, network=["127.0.0.1", 1])
    assert 0 < jail.attempt("stuff", 3, seconds=60) < 3 << 20


def test_threads_are_bounded(jail: Jail) -> None:
    assert jail.attempt("threads", 500).endswith("refused")
    jail.ask("exit", 0)


def test_memory_is_bounded_for_all_processes_together(jail: Jail) -> None:
    told = jail.ask("children", 2000, seconds=60)
    assert (told["trouble"], told["detail"]) == ("FAILED", "it used more memory than it may")


@pytest.mark.parametrize("how", ["memory", "shared"])
def test_memory_is_bounded_for_one_process(walled: Jail, how: str) -> None:
    told = walled.ask(how, 2000, seconds=60)
    assert told.get("outcome") == "MemoryError" or told["trouble"] == "FAILED"


def test_disks_cannot_be_filled(jail: Jail) -> None:
    written = jail.attempt("disk", "/tmp", 64 << 20)
    assert written in {"No space left on device", "File too large"}
    jail.ask("exit", 0)
    assert not list(Path("/tmp").glob("fill-*")) or jail.way == "user"
    for path in Path("/tmp").glob("fill-*"):
        assert path.stat().st_size == 0
        path.unlink()


def test_what_leaves_the_session_ends_with_the_worker(jail: Jail) -> None:
    before = children_of(jail.pid)
    assert jail.attempt("stay") == "left"
    assert len(children_of(jail.pid)) > len(before)
    jail.ask("exit", 0)
    wait_until(lambda: not children_of(jail.pid))
    assert jail.attempt("python")


def test_time_is_bounded(jail: Jail) -> None:
    began = time.monotonic()
    told = jail.ask("sleep", 60, seconds=0.3)
    assert told["trouble"] == "TIME"
    assert not told["alive"]
    assert time.monotonic() - began < 30
    assert not children_of(jail.pid)


# --- what it says ---------------------------------------------------------------------------------


def test_output_is_bounded(walled: Jail) -> None:
    told = walled.ask("print", 20_000)
    assert told["outcome"] == []
    assert 256 * 1024 <= told["printed"] <= 257 * 1024
    assert walled.ask("print", 2)["printed"] == 200


@pytest.mark.parametrize("what", ["garbage", "crash"])
def test_a_worker_that_breaks_the_protocol_or_itself_is_ended(walled: Jail, what: str) -> None:
    told = walled.ask(what)
    assert told["trouble"] in {"FAILED", "TOO_LARGE"}
    assert not told["alive"]
    assert walled.attempt("python")


def test_an_answer_for_another_event_is_none(walled: Jail) -> None:
    told = walled.ask("forge", {"kind": "answer", "id": "request-0"})
    assert told["trouble"] == "FAILED"
    assert not told["alive"]


def test_answers_are_bounded(walled: Jail) -> None:
    assert walled.ask("large", 7 << 20)["trouble"] == "TOO_LARGE"
    assert len(walled.attempt("large", 1 << 20)) == 1 << 20


# --- the life of a worker -------------------------------------------------------------------------


def test_a_worker_takes_one_event_after_another(walled: Jail) -> None:
    first = walled.ask("python")["calls"]
    assert [walled.ask("python")["calls"] for _ in range(3)] == [first + 1, first + 2, first + 3]


def test_errors_of_the_handler_leave_it_warm(walled: Jail) -> None:
    calls = walled.ask("python")["calls"]
    told = walled.ask("unwritable")
    assert (told["trouble"], told["detail"]) == ("FAILED", "Runtime.MarshalError")
    assert told["alive"]
    assert walled.ask("python")["calls"] == calls + 2
    assert walled.ask("leave")["detail"] == "Runtime.ExitError"
    assert walled.ask("python")["calls"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_is_killed_takes_everything_with_it(jails: Jails, way: str) -> None:
    jail = jails(way)
    jail.attempt("stay")
    wait_until(lambda: len(children_of(jail.pid)) >= 3)
    family = children_of(jail.pid)
    jail.kill()
    wait_until(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])


# --- the network ----------------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[OutsideServer]:
    made = OutsideServer()
    made.answer = lambda asked: (200, {}, b"x" * 3_000_000)
    yield made
    made.close()


@pytest.mark.parametrize("way", ["walls", "userns"])
def test_nothing_but_the_api_is_there(jails: Jails, web: OutsideServer, way: str) -> None:
    jail = jails(way, network=["127.0.0.1", web.port])
    assert jail.started == {"way": "walls"}
    assert jail.attempt("fetch", web.port) == "x" * 3_000_000
    assert jail.attempt("many", web.port, 5) == [3_000_000] * 5
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as mail:
        port = mail.getsockname()[1]
        assert jail.attempt("fetch", port) == "Connection refused"
        # With the machine's network it would be: nobody answers, but somebody listens.
        assert jails(way).ask("fetch", port, seconds=1.0)["trouble"] == "TIME"
    assert jail.attempt("interfaces") == ["lo"]
    # Who carries the connections on is not among its processes.
    assert [each for each in jail.attempt("list", "/proc") if each.isdigit()] in ([], ["1"])
    assert jail.attempt("connect", jail.abstract) in NO
    jail.ask("exit", 0)
    wait_until(lambda: not children_of(jail.pid))


def test_listeners_count_the_connections_of_each_function_for_itself(jails: Jails) -> None:
    """By its address: one of another account has another."""
    arn = "arn:aws:lambda:us-east-1:111122223333:function:a"
    address = network.source_of("111122223333", arn)
    assert address != network.source_of("444455556666", arn)
    assert address != network.source_of("111122223333", f"{arn}b")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as api:
        peers: list[str] = []

        def serve() -> None:
            connection, peer = api.accept()
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
            connection.close()
            peers.append(peer[0])

        serving = threading.Thread(target=serve)
        serving.start()
        jail = jails("walls", network=["127.0.0.1", api.getsockname()[1]], address=address)
        assert jail.attempt("fetch", api.getsockname()[1]) == "hello"
        serving.join()
    assert peers == [address]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_api_tells_functions_from_others_on_loopback(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as api:
        port = api.getsockname()[1]
        source = network.source_of("111122223333", "arn:aws:lambda:us-east-1:1:function:f")
        with network.connect(host, port, source), api.accept()[0] as accepted:
            assert accepted.getpeername()[0] == source


def test_where_the_network_cannot_be_confined_the_function_is_refused(jails: Jails) -> None:
    jail = jails("user", network=["127.0.0.1", 1])
    assert jail.started["trouble"] == "REFUSED"
    assert "its network cannot be confined" in jail.started["detail"]


# --- where nothing can be trusted to confine ------------------------------------------------------


def test_another_user_is_no_wall_where_secrets_are_open_to_all(jails: Jails) -> None:
    opened = jails("user", hidden=["/etc/hostname", "/etc/passwd"])
    assert opened.started["trouble"] == "REFUSED"
    assert "can be read by the function's user" in opened.started["detail"]


def test_without_any_way_it_is_refused_unless_that_is_wanted(jails: Jails) -> None:
    refused = jails("userns", without="walls")
    assert refused.started["trouble"] == "REFUSED"
    assert "nothing here can confine functions" in refused.started["detail"]
    allowed = jails("userns", without="walls", unconfined=True)
    assert allowed.started == {"way": "none"}
    assert allowed.attempt("read", str(allowed.key)) == SECRET
    # What bounds it still does.
    assert allowed.attempt("powers")["memfd"] == "Operation not permitted"
    assert allowed.attempt("disk", str(allowed.data), 1 << 20) == "File too large"


def test_root_never_runs_a_function_as_itself(jails: Jails) -> None:
    jail = jails("walls", uid=0)
    assert jail.started["trouble"] == "REFUSED"
    assert "user of its own" in jail.started["detail"]


@pytest.mark.parametrize("way", ["walls", "userns"])
def test_data_below_the_code_is_covered(jails: Jails, way: str) -> None:
    jail = jails(way, show_all=True)
    assert jail.started == {"way": "walls"}
    assert jail.attempt("list", str(jail.data)) in NO
    assert jail.attempt("read", str(jail.key)) in NO
    assert jail.attempt("read", str(jail.settings)) in {*NO, ""}
    assert "hostile.py" in jail.attempt("list", str(jail.code))


@pytest.mark.parametrize("way", WAYS)
def test_files_of_the_settings_reach_it_all_ways(jails: Jails, way: str) -> None:
    jail = jails(way, files={"/etc/certificates": "PEM"})
    path = "/etc/certificates" if way != "user" else "/proc/self/fd/5"
    assert jail.attempt("read", path) == "PEM"


# --- between events -------------------------------------------------------------------------------


def test_nothing_of_a_worker_runs_between_events(jail: Jail) -> None:
    assert jail.attempt("stay") == "left"
    assert jail.attempt("tick") == "ticking"
    family = set(children_of(jail.pid))
    minders = {pid for pid in family if parent_of(pid) == jail.pid}
    wait_until(lambda: all(state_of(pid) in "TZ" for pid in family - minders))
    # It goes on where it was, and its child, too.
    before = jail.attempt("ticked")

    def goes_on() -> bool:
        # It may answer before the last of its processes was told to go on.
        more = jail.attempt("ticked") > before
        return more and not [pid for pid in family if state_of(pid) == "T"]

    wait_until(goes_on)
    jail.ask("exit", 0)
    wait_until(lambda: not children_of(jail.pid))


def test_who_forks_without_end_does_not_flee(jail: Jail) -> None:
    """None of it runs on unseen: it stands still, or its worker has ended."""
    assert jail.attempt("flee") == "fled"
    mine = minders_of(jail)

    def still() -> bool:
        return all(state_of(pid) in "TZ" for pid in children_of(jail.pid) if pid not in mine)

    wait_until(still)
    before = {pid for pid in children_of(jail.pid) if state_of(pid) == "T"}
    time.sleep(0.3)
    assert {pid for pid in children_of(jail.pid) if state_of(pid) == "T"} == before
    jail.ask("exit", 0)
    wait_until(lambda: not children_of(jail.pid))


def minders_of(jail: Jail) -> set[int]:
    return {pid for pid in children_of(jail.pid) if parent_of(pid) == jail.pid}


def test_one_that_is_stopped_ends_with_its_server(jails: Jails) -> None:
    jail = jails("walls")
    family = children_of(jail.pid)
    wait_until(lambda: any(state_of(pid) == "T" for pid in family))
    jail.kill()
    wait_until(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])


def test_the_network_of_one_that_is_stopped_goes_on(jails: Jails, web: OutsideServer) -> None:
    jail = jails("walls", network=["127.0.0.1", web.port])
    assert jail.attempt("fetch", web.port) == "x" * 3_000_000
    family = children_of(jail.pid)
    wait_until(lambda: [state_of(pid) for pid in family].count("T") == 1)
    assert jail.attempt("fetch", web.port) == "x" * 3_000_000


def parent_of(pid: int) -> int:
    return int(stat_of(pid)[1])


def state_of(pid: int) -> str:
    return stat_of(pid)[0]


def stat_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["Z", "0"]


def children_of(pid: int) -> list[int]:
    """All processes below one."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    found = [pid]
    for each in found:
        found += [int(p) for p, parent, stat in rows if int(parent) == each and stat[0] != "Z"]
    return found[1:]


def wait_until(is_so: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
