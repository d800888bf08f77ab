"""Whether a multipath daemon runs on the host: multipathd, or one of ours.

In: a `Reader`. Out: a `Daemon`, or None. It must never signal the process or connect to its socket.
"""

from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import Daemon

PIDFILE = "/run/multipathd.pid"
"""Every multipath daemon keeps it, ours also, since it is how they keep out of each other's way."""

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
