"""A process that watches itself: which files its main thread opens, what it imports, forks, runs or looks up.

Run as `python -m tests.service.audited SCENARIO`: what happened that must not is printed as JSON, one list.
"""

import importlib
import json
import os
import pwd
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from controller.client.channel import Channel
from controller.protocol.grammar import Verb
from controller.runtime import configuring, daemon, resident
from controller.runtime.cycle import Files
from controller.runtime.engine import RealEngine
from controller.runtime.lanes import host_capacity
from controller.runtime.log import ErrorStream, Journal
from controller.runtime.server import Asked, Server, listen
from controller.runtime.service import Service
from controller.runtime.sources import Sources
from controller.runtime.systemd import ServiceManager
from observers.kernel.real_host import RealHost
from tests.service.virtual import Virtual

ALLOWED = ("/sys/", "/proc/", "/dev/", "/run/")
FORBIDDEN = (
    "import", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
    "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo", "ctypes.dlopen",
    "account", "thread",
)  # fmt: skip
_LIMIT = 60.0


class Watch:
    """The audit hook, which can't be taken away again. Only the thread that made it is looked at."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._thread = threading.get_ident()
        self.on = False
        for name in ("getpwnam", "getpwuid", "getpwall"):
            setattr(pwd, name, self._told("account", getattr(pwd, name)))
        threading.Thread.start = self._told("thread", threading.Thread.start)  # type: ignore[method-assign]
        sys.addaudithook(self._hook)

    def _told(self, event: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """For what Python has no audit event for."""

        def told(*arguments: Any) -> Any:
            self._hook(event, arguments)
            return call(*arguments)

        return told

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or threading.get_ident() != self._thread:
            return
        outside = event == "open" and not isinstance(arguments[0], int) and not _allowed(os.fsdecode(arguments[0]))
        if outside or event in FORBIDDEN:
            self.found.append(f"{event} {arguments[:1]} at {_place()}")


def _allowed(path: str) -> bool:
    return os.path.normpath(path).startswith(ALLOWED)


def _place() -> str:
    places: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and len(places) < 8:
        places.append(f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(places)


# ---- a whole daemon on the in-memory kernel

_PARAMETERS = {
    "path": "sdb", "map": "data", "group": "1", "format": "%w %d %t %p %i", "key": "0x1", "pathlist": "sdb",
    "since": "3",
}  # fmt: skip
_LAST = (Verb.SHUTDOWN, Verb.QUIT, Verb.DUMP_RECORDER)


def request(verb: Verb) -> str:
    """A request of a verb, with parameters that mean something."""
    return " ".join(f"{key} '{_PARAMETERS[key]}'" if key in _PARAMETERS else key for key in verb.keys)


def everything_happens(virtual: Virtual) -> None:
    """Paths, maps, units, configurations, clients, refusals, defects."""
    host, service = virtual.host, virtual.service
    config = host.read_file("/etc/multipath.conf")
    _paths_come_and_go(virtual)
    for verb in Verb:
        if verb not in _LAST:
            _ask(virtual, request(verb))
            virtual.live(1)
    for text in ("", "nonsense", "list paths format", "show map nosuch topology", "fail path sdzz", "l p", "\x00\xff"):
        _ask(virtual, text)
    for kind in ("DM_TABLE_LOAD", "DM_DEV_SUSPEND", "DM_TARGET_MSG"):
        host.faults.fail_ioctl(kind, 22, count=2)
        host.happen("offline", "sdb")
        _ask(virtual, "reload map data")
        virtual.live(15)
        host.happen("online", "sdb")
        virtual.live(15)
    host.faults.fail_read("/etc/multipath.conf", 5, count=1)
    for written in (b"defaults {\n polling_interval 0\n}\n", b"defaults { nonsense", b"\xff\xfe", config):
        host.replace_file("/etc/multipath.conf", written, mode=0o644)
        service.reconfigure(everything=True)
        virtual.live(5)
    _defects(virtual)
    _unheard_of()
    service.dump()
    virtual.live(30)
    service.stop()
    service.leave()


def _ask(virtual: Virtual, text: str) -> None:
    virtual.service.asked(Asked(1, 1, 0, text))
    virtual.live(0.5)


def _paths_come_and_go(virtual: Virtual) -> None:
    host = virtual.host
    for verb, *words in (
        ("offline", "sdb"), ("online", "sdb"), ("delete", "sdb"), ("scan", "1"), ("adapter-down", "2"),
        ("adapter-up", "2"), ("message", "data", "fail_path", "8:48"), ("link", "silent", "sdd"), ("link", "up", "sdd"),
        ("unmap", "ontap:0"), ("show", "ontap:0"), ("remap", "ontap:0", "ontap:1"), ("show", "ontap:0"),
        ("resize", "ontap:0", "41G"), ("alua", "ontap:1001", "standby"),
        ("alua", "ontap:1001", "active/non-optimized"), ("udev", "off"), ("udev", "on"),
        ("open", "data"), ("close", "data"), ("rescan", "sdb"), ("io", "data", "write"),
    ):  # fmt: skip
        host.happen(verb, *words)
        virtual.live(20)
    for source in virtual.service.loop._selector.get_map():  # type: ignore[attr-defined]  # a VirtualSelector
        getattr(source, "lose", _nothing)()
    virtual.live(30)


def _defects(virtual: Virtual) -> None:
    """Exceptions that nobody foresaw, everywhere; they are told, with their places."""
    service = virtual.service
    for holder, name in (
        (service.decider, "some"), (service.decider, "everything"), (service.checks, "take"),
        (service.checks._questions, "probe"), (service.portraitist, "state"), (service.noticer, "changes"),
        (service.reconciler, "turn"),
    ):  # fmt: skip
        setattr(holder, name, _broken)
        service.reconciler.look_at_everything()
        virtual.host.happen("offline", "sdb")
        _ask(virtual, "show paths")
        virtual.live(2)
        delattr(holder, name)
        virtual.host.happen("online", "sdb")
        virtual.live(15)


class _Stubborn:
    """Something that can't be ended without an error, which nobody can be told of."""

    def __del__(self) -> None:
        raise RuntimeError("at the end of an object")


def _unheard_of() -> None:
    """What Python itself would tell with lines of the sources, which it opens for that."""
    _Stubborn()
    warnings.warn("something is not as it should be", RuntimeWarning, stacklevel=1)
    sys.excepthook(RuntimeError, RuntimeError("the end"), None)


def guilty(watch: Watch) -> None:
    """All that must not be done, to see that it would be seen."""
    watch.on = True
    importlib.import_module("this")
    Path("/etc/hostname").exists()
    with suppress(OSError), open("/etc/hostname", encoding="utf-8"):
        pass
    with suppress(OSError), open("/proc/../etc/hostname", encoding="utf-8"):
        pass
    with suppress(KeyError):
        pwd.getpwnam("root")
    with suppress(OSError):
        socket.getaddrinfo("localhost", 1)
    threading.Thread(target=_nothing).start()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    watch.on = False


def _broken(*_arguments: object, **_others: object) -> Any:
    raise RuntimeError("nobody foresaw this")


def _nothing() -> None:
    """For sources that can't lose anything."""


def on_the_sandbox(watch: Watch) -> None:
    """Everything, with a log to nowhere and the journal, wherever that is."""
    virtual = Virtual("small")
    virtual.settled()
    with open(os.devnull, "wb") as nowhere:
        virtual.service.bulletin.listen(ErrorStream(4, stamped=True, descriptor=nowhere.fileno()))
        virtual.service.bulletin.listen(Journal(4, identifier="multipathd", address="/run/nosuch/socket"))
        resident.touch()
        watch.on = True
        everything_happens(virtual)
        watch.on = False


# ---- the real host, as far as it can be had without device-mapper


class _Quiet:
    """A source of events that has none."""

    def __init__(self) -> None:
        self._ear, self._mouth = socket.socketpair()

    def fileno(self) -> int:
        return self._ear.fileno()

    def read(self) -> list[Any]:
        return []


def on_the_real_host(watch: Watch) -> None:
    """Threads, sockets, signals, sysfs. Every device is blacklisted, and device-mapper is out of reach."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "multipath.conf").write_text('blacklist {\n devnode ".*"\n}\n', encoding="ascii")
        _serve(watch, folder)


def _serve(watch: Watch, folder: str) -> None:
    files = Files(config=f"{folder}/multipath.conf", config_dir=f"{folder}/conf.d", state_dir=folder)
    host, selector = RealHost(dm_control="/dev/mapper/nosuch"), selectors.DefaultSelector()
    address = f"{folder}/socket"
    manager = ServiceManager(f"{folder}/nobody", watchdog=1.0)
    service = Service(
        host, files, engine=RealEngine(host), capacity=host_capacity(host), selector=selector,
        sources=Sources(uevents=_Quiet()), manager=manager, pid=os.getpid(), read=configuring.reader(host, files)(),
    )  # fmt: skip
    server = Server([listen(address)], timeout=4.0, clock=service.clock, on_asked=service.asked)
    service.serve(server)
    signals = daemon.Signals(service)
    service.loop.listen(signals.ear, signals.handle)
    clients = threading.Thread(target=_talk, args=(address,))
    resident.touch()
    clients.start()
    watch.on = True
    end = time.monotonic() + _LIMIT
    service.begin()
    while not service.loop._stopped and time.monotonic() < end:
        service.loop.round(longest=0.1)
    service.leave()
    watch.on = False
    clients.join()
    if not service.loop._stopped:
        watch.found.append("it was not ended by its signal")
    service.close()


def _talk(address: str) -> None:
    """A client, in a thread of its own, and then signals."""
    for verb in Verb:
        if verb not in _LAST:
            _ask_there(address, request(verb))
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP):
        os.kill(os.getpid(), number)
        _ask_there(address, "show daemon")
    os.kill(os.getpid(), signal.SIGTERM)


def _ask_there(address: str, text: str) -> None:
    with suppress(Exception):  # what it answers is for other tests
        channel = Channel((address,))
        try:
            channel.ask(text)
        finally:
            channel.close()


PARTS: dict[str, Callable[[Watch], None]] = {
    "sandbox": on_the_sandbox, "real": on_the_real_host, "guilty": guilty,
}  # fmt: skip


def main() -> None:
    """Print what was found."""
    watch = Watch()
    PARTS[sys.argv[1]](watch)
    print(json.dumps(watch.found))


if __name__ == "__main__":
    main()
