"""The files that record maps: the bindings and the WWIDs, which must be right before a map is made, and the marks of
maps that the kernel refused to make, by which udev knows that it must not hold their disks back.

In: the view, the drafts. Out: record steps. It must never replace a file that could not be read.
"""

from collections.abc import Iterable

from actuators.steps import MarkFailed, RecordStep, RememberWwid, UnmarkFailed, WriteBindings
from controller.reconcile.order import Draft
from controller.reconcile.view import View
from observers.snapshot import Wwid

WWIDS_FILE = "/etc/multipath/wwids"
BINDINGS_FILE = "/etc/multipath/bindings"
FAILED_WWIDS = "/run/multipath/failed_wwids"
"""The directory of the marks. multipath-tools has them in the same place, and so does udev's question."""


def remember(view: View, wwid: Wwid) -> tuple[RecordStep, ...]:
    """The record of a map's WWID, if it is not on file."""
    file = view.snapshot.wwids.path if view.snapshot.wwids else WWIDS_FILE
    if wwid in view.desired.wwids or file in view.gaps:
        return ()
    return (RememberWwid(file=file, wwid=wwid),)


def _bindings(view: View) -> tuple[RecordStep, ...]:
    now, text = view.snapshot.bindings, view.desired.bindings
    file = now.path if now else BINDINGS_FILE
    expected = now.text if now else None
    if text is None or text == expected or file in view.gaps:
        return ()
    return (WriteBindings(file=file, text=text, expected=expected),)


def wanted(view: View, drafts: Iterable[Draft]) -> tuple[RecordStep, ...]:
    """All records that should be made."""
    return (*_bindings(view), *_marks(view), *(record for draft in drafts for record in draft.records))


def _marks(view: View) -> tuple[RecordStep, ...]:
    """Only what the kernel said of the last try counts, so this follows what is remembered and what is there."""
    marked = view.snapshot.failed_wwids
    missing = sorted(view.memory.unmade.keys() - set(marked) - view.live.keys())
    return (
        *(MarkFailed(file=mark(wwid), wwid=wwid) for wwid in missing),
        *(UnmarkFailed(file=mark(wwid), wwid=wwid) for wwid in marked if _made(view, wwid)),
    )


def mark(wwid: Wwid) -> str:
    """The file that marks a WWID."""
    return f"{FAILED_WWIDS}/{wwid}"


def _made(view: View, wwid: Wwid) -> bool:
    live = view.live.get(wwid)
    return live is not None and live.table is not None
