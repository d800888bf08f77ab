"""The daemon's sockets with real clients, well-behaved and others."""

import os
import resource
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.protocol.frames import encode_message
from controller.runtime import server
from controller.runtime.server import FOR_ROOT, Asked, Server, listen

PATIENCE = 20.0
"""Seconds for anything that should happen at once."""


class Daemon:
    """A server that answers with the text itself, or keeps what it was asked."""

    def __init__(self, path: str, *, places: int = 256) -> None:
        self.path, self.now = path, 0.0
        self.selector = selectors.DefaultSelector()
        self.asked: list[Asked] = []
        self.silent = False
        self.server = Server([listen(path)], timeout=4.0, clock=lambda: self.now, on_asked=self._asked, places=places)
        self.selector.register(self.server, selectors.EVENT_READ, lambda _: self.server.poll())

    def _asked(self, asked: Asked) -> None:
        self.asked.append(asked)
        if not self.silent:
            self.server.reply(asked, asked.text * 2)

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if condition():
                return
            for key, events in self.selector.select(PATIENCE):
                key.data(events)
        raise AssertionError("it did not happen")

    def settle(self) -> None:
        while ready := self.selector.select(0):
            for key, events in ready:
                key.data(events)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(str(tmp_path / "socket"))
    yield made
    made.server.close()
    made.selector.close()


def client(daemon: Daemon) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(PATIENCE)
    made.connect(daemon.path)
    return made


def reply(daemon: Daemon, peer: socket.socket) -> str:
    daemon.settle()
    (length,) = struct.unpack("@N", peer.recv(8, socket.MSG_WAITALL))
    return peer.recv(length, socket.MSG_WAITALL).rstrip(b"\0").decode()


def gone(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_requests_are_answered_in_order_also_when_they_come_together(daemon: Daemon) -> None:
    with client(daemon) as peer:
        peer.sendall(encode_message("one"))
        peer.sendall(encode_message("two"))
        assert [reply(daemon, peer), reply(daemon, peer)] == ["oneone", "twotwo"]


def test_an_answer_may_come_later_and_others_do_not_wait_for_it(daemon: Daemon) -> None:
    daemon.silent = True
    with client(daemon) as slow, client(daemon) as quick:
        slow.sendall(encode_message("slow"))
        daemon.until(lambda: len(daemon.asked) == 1)
        daemon.silent = False
        quick.sendall(encode_message("quick"))
        assert reply(daemon, quick) == "quickquick"
        daemon.server.reply(daemon.asked[0], "at last")
        assert reply(daemon, slow) == "at last"


def test_a_request_that_takes_too_long_is_answered_so_and_its_late_answer_is_dropped(daemon: Daemon) -> None:
    daemon.silent = True
    with client(daemon) as peer:
        peer.sendall(encode_message("slow"))
        daemon.until(lambda: bool(daemon.asked))
        assert daemon.server.wake_at == 4.0
        daemon.now = 4.0
        daemon.server.expire(4.0)
        assert reply(daemon, peer) == "fail\ntimeout\n"
        daemon.server.reply(daemon.asked[0], "too late")
        daemon.silent = False
        peer.sendall(encode_message("next"))
        assert reply(daemon, peer) == "nextnext"


def test_a_reply_larger_than_a_socket_holds_waits_for_its_reader_only(daemon: Daemon) -> None:
    daemon.silent = True
    with client(daemon) as lazy, client(daemon) as other:
        lazy.sendall(encode_message("all"))
        daemon.until(lambda: bool(daemon.asked))
        daemon.server.reply(daemon.asked[0], "x" * 16_000_000)
        daemon.silent = False
        other.sendall(encode_message("me"))
        assert reply(daemon, other) == "meme"
        received = 0
        while received < 16_000_009:
            daemon.settle()
            received += len(lazy.recv(1 << 20))
        daemon.settle()


def test_a_client_that_reads_nothing_is_given_up(daemon: Daemon) -> None:
    daemon.silent = True
    with client(daemon) as peer:
        peer.sendall(encode_message("all"))
        daemon.until(lambda: bool(daemon.asked))
        daemon.server.reply(daemon.asked[0], "x" * 16_000_000)
        assert daemon.server.wake_at is not None
        daemon.now = daemon.server.wake_at
        daemon.server.expire(daemon.now)
        assert len(daemon.server) == 0


@pytest.mark.parametrize("bytes_sent", [b"\0\0\0\0\0\0\0\0", struct.pack("@N", 513), b"abc"], ids=["0", "513", "half"])
def test_what_is_no_request_ends_the_connection(daemon: Daemon, bytes_sent: bytes) -> None:
    with client(daemon) as peer:
        peer.sendall(bytes_sent)
        daemon.settle()
        assert len(daemon.server) == 0
        assert gone(peer)


def test_a_client_that_leaves_without_reading_is_no_trouble(daemon: Daemon) -> None:
    daemon.silent = True
    with client(daemon) as peer:
        peer.sendall(encode_message("x"))
        daemon.until(lambda: bool(daemon.asked))
    daemon.server.reply(daemon.asked[0], "nobody hears")
    daemon.until(lambda: len(daemon.server) == 0)


def test_the_uid_of_the_peer_is_told(daemon: Daemon) -> None:
    with client(daemon) as peer:
        peer.sendall(encode_message("who"))
        daemon.until(lambda: bool(daemon.asked))
        assert daemon.asked[0].uid == socket_uid()


def socket_uid() -> int:
    return Path("/proc/self").stat().st_uid


def test_when_all_places_are_taken_the_longest_idle_goes(tmp_path: Path) -> None:
    daemon = Daemon(str(tmp_path / "socket"), places=3 if socket_uid() == 0 else 3 + FOR_ROOT)
    peers = []
    for number in range(5):
        daemon.now = number
        peers.append(client(daemon))
        daemon.settle()
    assert len(daemon.server) == 3
    assert [gone(peer) for peer in peers[:2]] == [True, True]
    peers[4].sendall(encode_message("me"))
    assert reply(daemon, peers[4]) == "meme"
    for peer in peers:
        peer.close()
    daemon.server.close()


class Users:
    """Who a client is said to be that is taken now."""

    def __init__(self) -> None:
        self.uid = GREEDY

    def unpack(self, _: bytes) -> tuple[int, int, int]:
        return 1, self.uid, self.uid

    size = 12


GREEDY, MODEST = 65534, 65533


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Users:
    made = Users()
    monkeypatch.setattr(server, "_CREDENTIALS", made)
    return made


@pytest.mark.parametrize("sent", [b"", struct.pack("@N", 12) + b"show"], ids=["idle", "half a request"])
def test_a_user_who_takes_all_places_keeps_nobody_out(tmp_path: Path, users: Users, sent: bytes) -> None:
    daemon = Daemon(str(tmp_path / "socket"), places=FOR_ROOT + 20)
    peers = []
    for _ in range(20):
        peers.append(client(daemon))
        daemon.settle()
        peers[-1].sendall(sent)
        daemon.settle()
    users.uid = MODEST
    with client(daemon) as modest:
        modest.sendall(encode_message("me"))
        assert reply(daemon, modest) == "meme"
        assert len(daemon.server) == 20
    for peer in peers:
        peer.close()
    daemon.server.close()


def test_a_user_with_few_connections_loses_none_of_them_for_others(tmp_path: Path, users: Users) -> None:
    daemon = Daemon(str(tmp_path / "socket"), places=FOR_ROOT + 2)
    daemon.silent = True
    with client(daemon) as one, client(daemon) as other:
        for peer in (one, other):
            peer.sendall(encode_message("x"))
        daemon.until(lambda: len(daemon.asked) == 2)
        users.uid = MODEST
        with client(daemon) as late:
            daemon.settle()
            assert gone(late)
        assert len(daemon.server) == 2
    daemon.server.close()


def test_users_are_served_by_turns(daemon: Daemon, users: Users) -> None:
    peers = [client(daemon) for _ in range(5)]
    daemon.until(lambda: len(daemon.server) == 5)
    users.uid = MODEST
    peers.append(client(daemon))
    daemon.until(lambda: len(daemon.server) == 6)
    for peer in peers:
        peer.sendall(encode_message("x"))
    daemon.until(lambda: len(daemon.asked) == 6)
    assert [asked.uid for asked in daemon.asked][:3] == [GREEDY, MODEST, GREEDY]
    for peer in peers:
        peer.close()


def test_a_thousand_clients_are_served(tmp_path: Path) -> None:
    daemon = Daemon(str(tmp_path / "socket"), places=1024)
    peers = []
    for _ in range(1000):
        peers.append(client(daemon))
        daemon.settle()
    for peer in peers:
        peer.sendall(encode_message("a"))
    daemon.until(lambda: len(daemon.asked) == 1000)
    assert all(reply(daemon, peer) == "aa" for peer in peers)
    for peer in peers:
        peer.close()
    daemon.server.close()


def test_an_abstract_name_and_a_stale_socket_file_can_be_listened_on(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listen(str(path)).close()
    assert path.exists()
    with listen(str(path)) as again, listen(f"@{path}") as abstract:
        assert path.stat().st_mode & 0o777 == 0o666
        for name in (again, abstract):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(name.getsockname())


# ---- no descriptor is left

FEW = 20
"""Rounds that a busy loop would exceed at once."""


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """While this lasts, nothing can be opened, and no connection be taken (EMFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rounds_until_quiet(daemon: Daemon) -> int:
    for count in range(FEW):
        ready = daemon.selector.select(0)
        if not ready:
            return count
        for key, events in ready:
            key.data(events)
    raise AssertionError("it runs hot")


def test_whom_there_is_no_descriptor_for_waits_without_the_loop_running_hot(daemon: Daemon) -> None:
    daemon.silent = True
    with client(daemon) as served:
        served.sendall(encode_message("first"))
        daemon.until(lambda: len(daemon.asked) == 1)
        with client(daemon) as late:
            late.sendall(encode_message("late"))
            with no_descriptor_left():
                assert rounds_until_quiet(daemon) < FEW
                daemon.server.reply(daemon.asked[0], "served")
                assert reply(daemon, served) == "served"
            assert daemon.server.wake_at is not None
            daemon.now = daemon.server.wake_at
            daemon.server.expire(daemon.now)
            daemon.silent = False
            assert reply(daemon, late) == "latelate"
            assert daemon.server.wake_at is None


def test_when_no_descriptor_is_left_the_longest_idle_makes_room(daemon: Daemon) -> None:
    with client(daemon) as idle:
        daemon.until(lambda: len(daemon.server) == 1)
        with client(daemon) as late, no_descriptor_left():
            late.sendall(encode_message("late"))
            assert reply(daemon, late) == "latelate"
            assert gone(idle)


def test_a_server_that_is_closed_while_it_takes_nobody_lets_go_of_everything(tmp_path: Path) -> None:
    daemon = Daemon(str(tmp_path / "socket"))
    with client(daemon), no_descriptor_left():
        assert rounds_until_quiet(daemon) < FEW
        daemon.server.close()
    with pytest.raises(ValueError, match="closed"):
        daemon.server.fileno()
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
        late.connect(daemon.path)


def test_who_was_not_served_in_time_comes_first_the_next_time(daemon: Daemon) -> None:
    with client(daemon) as one, client(daemon) as other:
        daemon.until(lambda: len(daemon.server) == 2)
        for peer in (one, other):
            peer.sendall(encode_message("x"))
        counts = []
        for _ in range(4):  # a length and a text of each
            daemon.server.poll(until=daemon.now)
            counts.append(len(daemon.asked))
        assert counts == [0, 0, 1, 2]
        assert {asked.client for asked in daemon.asked} == {1, 2}


def test_nobody_who_wants_nothing_is_waited_for(daemon: Daemon) -> None:
    with client(daemon):
        daemon.settle()
        daemon.server.poll()
        assert not daemon.asked
