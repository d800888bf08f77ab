"""The daemon as a process: its options, its place in the system, its signals, and its end.

In: options, the environment. Out: an exit status. Whatever can be wrong is said before anything was begun.
"""

import errno
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from controller.reconcile.md import INTERVAL as MD_INTERVAL
from controller.runtime import configuring, resident
from controller.runtime.config_news import ConfigNews
from controller.runtime.config_watch import ConfigWatch
from controller.runtime.cycle import Files
from controller.runtime.engine import RealEngine
from controller.runtime.events import Kind, Level
from controller.runtime.lanes import host_capacity
from controller.runtime.log import ErrorStream, Journal
from controller.runtime.patience import uxsock_timeout
from controller.runtime.pidfile import Pidfile
from controller.runtime.server import Server, listen
from controller.runtime.service import Service
from controller.runtime.sources import Source, Sources
from controller.runtime.systemd import ServiceManager, name_of, passed_sockets
from controller.runtime.textfile import Textfile
from desired import options as keywords
from desired.config import Config
from desired.precedence import global_settings
from observers.collect import host_facts
from observers.daemon import PIDFILE, SOCKETS
from observers.devicemapper import Observed
from observers.dm_events import DmEvents
from observers.errors import MpathError
from observers.event_sources import fc_events, iscsi_events, uevents
from observers.kernel.dm_poll import DmPoll
from observers.kernel.real_host import RealHost
from observers.kernel.uevent import Sender
from observers.mdstat import MDSTAT
from observers.mdstat_watch import MdstatWatch, ear
from observers.reading import Reader

DONE, FAILED = 0, 1

_SOCKET_NAME = "MULTIPATH_SOCKET_NAME"
_MDSTAT_ROOM = 1 << 20
"""Bytes: arrays have some hundred each."""
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
_HEARD = (*_ENDING, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonOptions:
    """How it was started. `verbosity` None: as configured. `stamped`: lines of the log with the time (`-d`), without
    (`-s`), unless standard error leads to the journal; None: to the journal in any case. `resident`: whether memory is
    locked and the process is kept from being ended for it. `apply_changes`: whether a changed configuration is put in
    force without being asked for. `textfile`: where metrics are written to for node_exporter; None: nowhere.
    `md_interval`: seconds between two questions to a failed member of an md array.
    """

    name: str = "multipathd"
    files: Files = field(default_factory=Files)
    verbosity: int | None = None
    stamped: bool | None = None
    pidfile: str = PIDFILE
    resident: bool = True
    apply_changes: bool = False
    textfile: str | None = None
    md_interval: float = MD_INTERVAL


def main(options: DaemonOptions) -> int:
    """Run until a signal or a client ends it."""
    resident.prepare(options.name)
    try:
        return _run(options, os.environ)
    except (MpathError, OSError) as error:
        number = _say(options, error)
    ServiceManager.of(os.environ, pid=os.getpid()).failed(number)
    return FAILED


def _say(options: DaemonOptions, error: MpathError | OSError) -> int:
    """Say why there is no start; the errno that stands for it."""
    sys.stderr.write(f"{options.name}: {error}\n")
    if isinstance(error, OSError):
        return error.errno or errno.EIO
    sys.stderr.write(f"{options.name}: {error.hint}\n" if error.hint else "")
    return errno.EINVAL


def may_start(options: DaemonOptions) -> bool:
    """Whether a daemon could start now, as far as that can be known. What stands against it is said: later, in the
    background, nobody would hear it."""
    host = RealHost()
    try:
        _require_root(host)
        Pidfile.require_free(options.pidfile)
        read = configuring.reader(host, options.files)()
        configuring.loaded(read, options.files, host_facts(Reader(host, "host"), Observed()))
    except (MpathError, OSError) as error:
        _say(options, error)
        return False
    return True


def _require_root(host: RealHost) -> None:
    if host.effective_user() != 0:
        raise MpathError(
            "only root can watch over multipath maps", hint="run it as root, or look: mpathctl show topology"
        )


def _run(options: DaemonOptions, environment: Mapping[str, str]) -> int:
    host, pid = RealHost(), os.getpid()
    _require_root(host)
    manager = ServiceManager.of(environment, pid=pid)
    read = configuring.reader(host, options.files)()
    pidfile = Pidfile.take(options.pidfile, pid=pid)
    selector = selectors.DefaultSelector()
    try:
        service = Service(
            host, options.files, engine=RealEngine(host), capacity=host_capacity(host), selector=selector,
            sources=_sources(host), manager=manager, pid=pid, read=read, md_interval=options.md_interval,
        )  # fmt: skip
        watch = ConfigWatch(options.files)
        ConfigNews(service, host, options.files, apply=options.apply_changes).listen(watch)
        if options.textfile is not None:
            service.loop.add([Textfile(service, host, options.textfile).chore])
        watch.start()
        log = log_of(options, service, environment)
        _prepare(service, options, environment, pid=pid)
        try:
            service.run()
        finally:
            watch.close()
            service.close()
            log.close()
    finally:
        pidfile.release()
    return DONE


def _prepare(service: Service, options: DaemonOptions, environment: Mapping[str, str], *, pid: int) -> None:
    everywhere = global_settings(service.decider.config)
    maximum = everywhere.require(keywords.MAX_FDS).value
    resident.limit_descriptors(maximum if isinstance(maximum, int) else None, environment)
    listeners = all_listeners(environment, pid=pid)
    timeout = uxsock_timeout(service.decider)
    service.serve(Server(listeners, timeout=timeout, clock=service.clock, on_asked=service.asked))
    signals = Signals(service)
    service.loop.listen(signals.ear, signals.handle)
    if options.resident:
        _become_resident(service)


def _become_resident(service: Service) -> None:
    resident.touch()
    resident.spare_from_oom_killer()
    resident.schedule_first()
    try:
        resident.lock()
    except OSError as error:
        service.teller.say(Level.WARNING, Kind.SERVICE, f"memory is not locked: {error}")


def log_of(options: DaemonOptions, service: Service, environment: Mapping[str, str]) -> Journal | ErrorStream:
    """Have events told from now on, as many as the configuration in force wants."""
    log = _destination(options, environment, _verbosity(options, service.decider.config))
    service.on_configured = partial(_follow_configuration, log, options)
    service.bulletin.listen(log)
    return log


def _destination(options: DaemonOptions, environment: Mapping[str, str], verbosity: int) -> Journal | ErrorStream:
    """The journal with fields of their own, also where standard error leads to it: that loses the fields."""
    if options.stamped is None or _leads_to_journal(environment):
        return Journal(verbosity, identifier=options.name)
    return ErrorStream(verbosity, stamped=options.stamped)


def _verbosity(options: DaemonOptions, config: Config) -> int:
    """What the command line says holds as long as the process runs."""
    configured: int = global_settings(config).require(keywords.VERBOSITY).value
    return options.verbosity if options.verbosity is not None else configured


def _follow_configuration(log: Journal | ErrorStream, options: DaemonOptions, config: Config) -> None:
    log.verbosity = _verbosity(options, config)


def _leads_to_journal(environment: Mapping[str, str]) -> bool:
    """JOURNAL_STREAM of systemd.exec(5): the device and inode of the stream that goes to the journal."""
    stream = os.fstat(sys.stderr.fileno())
    return environment.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


def all_listeners(environment: Mapping[str, str], *, pid: int) -> list[socket.socket]:
    """The sockets that systemd passes, and of our names those that it did not: multipath-tools' unit has only one."""
    passed = passed_sockets(environment, pid=pid)
    taken = {name_of(each) for each in passed}
    return [*passed, *(listen(name) for name in _socket_names(environment) if name not in taken)]


def _socket_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    named = environment.get(_SOCKET_NAME)
    return (named,) if named else SOCKETS


def _sources(host: RealHost) -> Sources:
    transports: list[Source] = []
    openers: tuple[Callable[[], Source], ...] = (iscsi_events, fc_events)
    for opener in openers:
        with suppress(OSError):  # the kernel has no such transport loaded
            transports.append(opener())
    return Sources(uevents=uevents(Sender.UDEV), dm=_dm_events(host), transports=tuple(transports), md=_md_events)


class _MdSource:
    """The events of /proc/mdstat."""

    def __init__(self, descriptor: int) -> None:
        self._watch = MdstatWatch(descriptor, lambda: os.pread(descriptor, _MDSTAT_ROOM, 0))
        self._ear = ear(self._watch)
        self.fileno = self._ear.fileno

    def read(self) -> list[object]:
        """Take the event back."""
        self._watch.changed()
        return []


def _md_events() -> Source | None:
    try:
        return _MdSource(os.open(MDSTAT, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:  # the kernel has no md, or has not loaded it yet
        return None


def _dm_events(host: RealHost) -> Source | None:
    try:
        return DmEvents(host, DmPoll())
    except (OSError, MpathError):  # no device-mapper, or one before 4.37: uevents tell the same, a little later
        return None


class Signals:
    """Signals as something to read. `ear`: readable when one came."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.ear, mouth = socket.socketpair()
        for end in (self.ear, mouth):
            end.settimeout(0)
        self._mouth = mouth
        signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        for number in _HEARD:
            signal.signal(number, lambda _number, _frame: None)

    def read(self) -> list[int]:
        """Those that came."""
        try:
            return list(self.ear.recv(64))
        except BlockingIOError:
            return []

    def handle(self, _now: float) -> None:
        """Do what each asks for."""
        for number in self.read():
            if number in _ENDING:
                self._service.stop()
            elif number == signal.SIGHUP:
                self._service.reconfigure()
            elif number == signal.SIGUSR1:
                self._service.dump()
