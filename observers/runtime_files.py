"""The files under /run by which the programs of multipath tell each other what happened since boot.

In: a `Reader`, or a host that knows when files were modified. Out: the WWIDs of maps that the kernel refused, and when
udev's wait for a device's second path ends. Both are as in multipath-tools, so that either program goes on with what
the other one began (in the initramfs, or before an update). It must never make, change or remove one.
"""

from observers.dmtable import DevT
from observers.host import ClaimReadHost
from observers.reading import NOT_PROVIDED, Reader
from observers.snapshot import Wwid

FAILED_WWIDS = "/run/multipath/failed_wwids"
"""A directory of empty files, each named for a WWID whose map could not be created."""

WAITS = "/run/multipath/find_multipaths"
"""A directory of empty files, each named for a device's number; its time of modification is the end of the wait."""


def failed_wwids(reader: Reader) -> tuple[Wwid, ...]:
    """The WWIDs whose map could not be created, and was not since."""
    return tuple(Wwid(name) for name in reader.names(FAILED_WWIDS, "failed WWIDs", quiet=NOT_PROVIDED))


def wait_file(dev: DevT) -> str:
    """The file that is made when udev begins to wait for a second path to the unit of a device."""
    return f"{WAITS}/{dev}"


def wait_until(reader: Reader, host: ClaimReadHost, dev: DevT) -> float | None:
    """When the wait ends or ended, in seconds since 1970; None: it never began."""
    return reader.attempt("wait for a second path", lambda: host.modified(wait_file(dev)), quiet=NOT_PROVIDED)
