"""`multipath -l` and `-ll`: the maps with their groups and paths.

In: a `Subject`, and a host. Out: text on standard output, an exit status. `-ll` asks each path whether it works; `-l`
asks nothing of any device, and so shows no checker's state and no priority. Maps that the kernel makes itself come
last, whichever map was named. It must never change anything.
"""

from dataclasses import replace

from controller.cli.multipath_arguments import Job
from controller.cli.multipath_program import FAIL, OK, Subject
from controller.cli.multipath_view import foreign_text, maps_text, paths_text, put, state_of, warn_without_daemon
from controller.cli.multipath_wwids import wwid_of
from controller.protocol.foreign import shown
from controller.runtime.cycle import Files, observe
from desired.derive import config_in, derive
from desired.model import Desired
from observers import collect
from observers.errors import MpathError
from observers.host import ClaimHost, ReadHost
from observers.kernel.real_host import RealHost
from observers.snapshot import Snapshot


def run(subject: Subject) -> int:
    """List those of this host."""
    return show(RealHost(), subject)


def show(host: ClaimHost, subject: Subject) -> int:
    """List those of a host."""
    try:
        return _show(host, subject)
    except MpathError as error:
        subject.say(0, str(error))
        return FAIL


def _show(host: ClaimHost, subject: Subject) -> int:
    wwid = None
    if subject.kind is not None:
        wwid = wwid_of(host, subject, blacklisted=False)
        if wwid is None:
            return FAIL
    asking = subject.invocation.job is Job.LIST_ALL
    snapshot = observe(host, Files()) if asking else glance(host)
    config = config_in(snapshot)
    desired = derive(config, snapshot, resident=snapshot.host.daemon is not None)
    state = state_of(snapshot, desired if asking else _without_priorities(desired), config, {})
    verbosity = subject.invocation.verbosity
    put(paths_text(state, verbosity) + maps_text(state, verbosity, only=None if wwid is None else (wwid,)))
    put(foreign_text(shown(snapshot, config, everything=subject.invocation.all_foreign), verbosity))
    warn_without_daemon(subject, snapshot)
    return OK


def _without_priorities(desired: Desired) -> Desired:
    """Priorities come from asking: the maps without what is desired of them."""
    return replace(desired, maps=())


def glance(host: ReadHost) -> Snapshot:
    """A snapshot for which no device was opened."""
    return collect.complete(host, collect.survey(host), collect.unasked)
