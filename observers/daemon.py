"""Whether a multipath daemon runs on the host, or will, or would if needed: multipathd, or one of ours.

In: a `Reader`. Out: a `Daemon`, or None; whether somebody listens on its socket; whether systemd is to start it. It
must never signal the process or connect to its socket: a queue of connections that is full would make us wait.
"""

from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import Daemon

PIDFILE = "/run/multipathd.pid"
"""Every multipath daemon keeps it, ours also, since it is how they keep out of each other's way."""

PROC_UNIX = "/proc/net/unix"
SOCKETS = ("/run/multipathd.socket", "@/org/kernel/linux/storage/multipathd")
"""The names of its socket, the second an abstract one, as PROC_UNIX writes them."""

_LISTENING = 0x10000
"""__SO_ACCEPTCON of linux/net.h, in the column of flags."""
_COLUMNS, _FLAGS = 8, 3

_UNITS = frozenset({"multipathd.service", "mpathctl.service"})
_UNIT_FOLDERS = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
)  # fmt: skip
_WANTS = ".wants"
"""Of systemd.unit(5): where units lie, and the directories of links to what another unit wants started."""

_QUIET = NOT_PROVIDED | VANISHED


def running(reader: Reader) -> Daemon | None:
    """The process that the pidfile names, if it lives. A file that holds no number is a gap."""
    text = reader.text(PIDFILE, PIDFILE, quiet=_QUIET)
    if not text:
        return None
    pid = text.strip()
    if not (pid.isascii() and pid.isdigit()):
        reader.note(PIDFILE, f"holds {pid[:40]!r}, which is not a process id")
        return None
    name = reader.text(f"/proc/{int(pid)}/comm", f"process {pid}", quiet=_QUIET)
    return None if name is None else Daemon(pid=int(pid), name=name)


def reachable(reader: Reader, *, socket: str | None = None) -> bool:
    """Whether somebody listens on the daemon's socket. systemd does so before it has started the daemon, also while
    that one waits for udev to settle. `socket`: another name, as in MULTIPATH_SOCKET_NAME."""
    text = reader.text(PROC_UNIX, "list of sockets", quiet=_QUIET) or ""
    wanted = SOCKETS if socket is None else (socket,)
    rows = (line.split(None, _COLUMNS - 1) for line in text.split("\n")[1:])
    return any(len(row) == _COLUMNS and row[-1] in wanted and int(row[_FLAGS], 16) & _LISTENING for row in rows)


def enabled(reader: Reader) -> bool:
    """Whether systemd starts a daemon when the system boots. udev asks for the first disks before it has done that."""
    return any(_is_wanted(reader, folder) for folder in _UNIT_FOLDERS)


def _is_wanted(reader: Reader, folder: str) -> bool:
    names = reader.names(folder, "units of systemd", quiet=_QUIET)
    wants = (f"{folder}/{name}" for name in names if name.endswith(_WANTS))
    return any(_UNITS.intersection(reader.names(each, "units of systemd", quiet=_QUIET)) for each in wants)
