"""`multipath -f MAP` and `-F`: maps that nobody uses are removed, when no daemon does it.

In: a `Subject`, and a host. Out: an exit status: 1 when a map that was meant is still there. Its partitions are removed
with it, if nobody uses any of them. A map that queues I/O and has no path would make its removal wait for ever, so
queueing ends before, and begins again if the map stays.
"""

from collections.abc import Iterable

from actuators.apply import COOKIES_PER_SECOND, apply
from actuators.by_hand import flush_map, partitions_of
from actuators.cookie import UdevSync, cookie_bases
from actuators.steps import Lost, MapRef, Outcome, Refused, SetQueueing, UdevFlags
from controller.cli.multipath_arguments import Job
from controller.cli.multipath_program import FAIL, OK, Subject
from controller.cli.multipath_usable import mapped
from controller.client import patience
from observers import config_files, devicemapper, system
from observers.config_files import Places
from observers.dmtable import DevT
from observers.errors import InputError, MpathError
from observers.host import Host
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import DmDevice, Map

_FLAGS = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE
_TRY_AGAIN_AFTER = 1.0  # seconds


def run(subject: Subject) -> int:
    """Remove maps of this host."""
    return flush(RealHost(), subject)


def flush(host: Host, subject: Subject) -> int:
    """Remove maps of a host."""
    try:
        chosen, others = _chosen(host, subject)
    except MpathError as error:
        subject.say(0, str(error))
        return FAIL
    tries = 1 + _retries(host, subject)
    return FAIL if [live for live in chosen if not _removed(host, live, others, subject, tries)] else OK


def _retries(host: Host, subject: Subject) -> int:
    if subject.invocation.retries is not None:
        return subject.invocation.retries
    texts = config_files.observe(host, Places()).configuration
    return patience.retries(each.text.encode("utf-8", "surrogateescape") for each in texts)


def _chosen(host: Host, subject: Subject) -> tuple[Iterable[Map], tuple[DmDevice, ...]]:
    """The maps that are meant, and all other devices of device-mapper."""
    found = devicemapper.observe(host)
    if any(gap.subject == "device-mapper" for gap in found.gaps):
        raise InputError("; ".join(f"{gap.what}: {gap.reason}" for gap in found.gaps))
    if subject.invocation.job is Job.FLUSH_ALL:
        return found.maps, found.other_devices
    name, node = subject.device.removeprefix("mapper/"), mapped(host, subject)
    chosen = [live for live in found.maps if live.name == name or _node(live.dev) == node]
    if not chosen:
        raise InputError(f"{subject.device} is not a multipath device")
    return chosen, found.other_devices


def _node(dev: DevT) -> str:
    return f"dm-{dev.partition(':')[2]}"


def _removed(host: Host, live: Map, others: tuple[DmDevice, ...], subject: Subject, tries: int) -> bool:
    """Remove a map, and try again if it is in use: whether it is gone."""
    ref, trouble = MapRef(live.uuid, live.name), ""
    users = set(live.holders) - {_node(each.dev) for each in partitions_of(ref, others)}
    if users:
        subject.say(1, f"{live.name}: map or partition in use, by {', '.join(sorted(users))}")
        return False
    for number in range(tries):
        host.sleep(_TRY_AGAIN_AFTER if number else 0.0)
        trouble = _tried(host, live, ref, others)
        if not trouble:
            return True
        if live.table is not None and live.table.queues:
            _queue(host, ref, queue=True)
    subject.say(1, f"{live.name}: {trouble}")
    return False


def _tried(host: Host, live: Map, ref: MapRef, others: tuple[DmDevice, ...]) -> str:
    """One try: why it did not help, empty: it did."""
    trouble = _queue(host, ref, queue=False) if live.table is not None and live.table.queues else ""
    return trouble or _said(flush_map(host, ref, others, sync=_sync(host), flags=_FLAGS))


def _queue(host: Host, ref: MapRef, *, queue: bool) -> str:
    ((_, outcome),) = apply(host, (), ((SetQueueing(map=ref, queue=queue),),), udev_running=False).outcomes
    return _said(outcome)


def _sync(host: Host) -> UdevSync:
    bases = cookie_bases(int(host.monotonic() * COOKIES_PER_SECOND))
    return UdevSync(running=system.udev_running(Reader(host, "host")), bases=bases)


def _said(outcome: Outcome) -> str:
    return outcome.message if isinstance(outcome, Refused | Lost) else ""
