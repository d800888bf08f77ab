"""`multipath -f MAP` and `-F`: maps that nobody uses are removed, when no daemon does it.

In: a `Subject`, and a host. Out: an exit status: 1 when a map that was meant is still there. A map that queues I/O and
has no path would make its removal wait for ever, so queueing ends before, and begins again if the map stays.
"""

from collections.abc import Iterable

from actuators.apply import apply
from actuators.steps import Lost, MapRef, Refused, RemoveMap, SetQueueing, Step, UdevFlags
from controller.cli.multipath_arguments import Job
from controller.cli.multipath_program import FAIL, OK, Subject
from controller.cli.multipath_usable import mapped
from observers import devicemapper, system
from observers.errors import InputError, MpathError
from observers.host import Host
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import Map

_FLAGS = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE
_TRY_AGAIN_AFTER = 1.0  # seconds


def run(subject: Subject) -> int:
    """Remove maps of this host."""
    return flush(RealHost(), subject)


def flush(host: Host, subject: Subject) -> int:
    """Remove maps of a host."""
    try:
        chosen = _chosen(host, subject)
    except MpathError as error:
        subject.say(0, str(error))
        return FAIL
    return FAIL if [live for live in chosen if not _removed(host, live, subject)] else OK


def _chosen(host: Host, subject: Subject) -> Iterable[Map]:
    found = devicemapper.observe(host)
    if any(gap.subject == "device-mapper" for gap in found.gaps):
        raise InputError("; ".join(f"{gap.what}: {gap.reason}" for gap in found.gaps))
    if subject.invocation.job is Job.FLUSH_ALL:
        return found.maps
    name, node = subject.device.removeprefix("mapper/"), mapped(host, subject)
    chosen = [live for live in found.maps if live.name == name or f"dm-{live.dev.partition(':')[2]}" == node]
    if not chosen:
        raise InputError(f"{subject.device} is not a multipath device")
    return chosen


def _removed(host: Host, live: Map, subject: Subject) -> bool:
    """Remove a map, as often as is wanted: whether it is gone."""
    if live.holders:
        subject.say(1, f"{live.name}: map or partition in use, by {', '.join(live.holders)}")
        return False
    ref, trouble = MapRef(live.uuid, live.name), ""
    for _ in range(subject.invocation.retries + 1):
        trouble = _tried(host, live, ref)
        if not trouble:
            return True
        if live.table is not None and live.table.queues:
            _do(host, SetQueueing(map=ref, queue=True))
        host.sleep(_TRY_AGAIN_AFTER if subject.invocation.retries else 0.0)
    subject.say(1, f"{live.name}: {trouble}")
    return False


def _tried(host: Host, live: Map, ref: MapRef) -> str:
    """One try: why it did not help, empty: it did."""
    quiet = [SetQueueing(map=ref, queue=False)] if live.table is not None and live.table.queues else []
    return _do(host, *quiet, RemoveMap(map=ref, udev=_FLAGS))


def _do(host: Host, *steps: Step) -> str:
    running = system.udev_running(Reader(host, "host"))
    outcomes = [outcome for _, outcome in apply(host, (), (steps,), udev_running=running).outcomes]
    return next((each.message for each in outcomes if isinstance(each, Refused | Lost)), "")
