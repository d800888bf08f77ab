"""The files that must be right before a map is made: the bindings and the WWIDs.

In: the view, the drafts. Out: record steps. It must never replace a file that could not be read.
"""

from collections.abc import Iterable

from actuators.steps import RecordStep, RememberWwid, WriteBindings
from controller.reconcile.order import Draft
from controller.reconcile.view import View
from observers.snapshot import Wwid

WWIDS_FILE = "/etc/multipath/wwids"
BINDINGS_FILE = "/etc/multipath/bindings"


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
    return (*_bindings(view), *(record for draft in drafts for record in draft.records))
