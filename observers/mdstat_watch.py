"""When md arrays change: /proc/mdstat as a source of events, kept open.

In: the descriptor of /proc/mdstat, and a function that reads all of it anew from its beginning. Out: whether there is
something to look at. The kernel marks the descriptor with POLLPRI (and POLLERR) whenever an array or a member changed,
until the file is read again (drivers/md/md.c, mdstat_poll). Two changes do not come: a spare that gets its slot by
sysfs, and a member's count of errors; so after its own steps the caller observes in any case. An event only says that
something changed; what is true is for `observers.mdstat.observe`. It must never open a file, or wait.
"""

import select
from collections.abc import Callable

EVENTS = select.POLLPRI | select.POLLERR
"""What to poll the descriptor for. `selectors` knows only reading and writing, and a file under /proc is always
readable: see `ear`."""


class MdstatWatch:
    """`fileno`: to poll for EVENTS. `read`: reads the whole file from its beginning (`os.pread` from offset 0 on)."""

    def __init__(self, fileno: int, read: Callable[[], bytes]) -> None:
        self._fileno, self._read = fileno, read
        self._text: bytes | None = None

    def fileno(self) -> int:
        """The descriptor."""
        return self._fileno

    def changed(self) -> bool:
        """Take the event back by reading the file; whether its text differs from the last time (the first: it does).

        What can't be read counts as a change: the observer will say why.
        """
        try:
            text = self._read()
        except OSError:
            self._text = None
            return True
        before, self._text = self._text, text
        return text != before


def ear(watch: MdstatWatch) -> select.epoll:
    """Something that is readable while there is an event, for a loop that can wait for nothing else. Close it."""
    epoll = select.epoll()
    epoll.register(watch.fileno(), EVENTS)
    return epoll
