"""Messages about paths: fail, reinstate, or nothing, each with its reason in words.

In: the facts of a map's paths, and the table that will be in force. Out: parts of the plan. It must never decide what a
state means: that is the table in `health`.
"""

from collections.abc import Sequence

from actuators.steps import FailPath, MapRef, ReinstatePath
from controller.reconcile.beliefs import WISHES, PathFacts, Wish, words
from controller.reconcile.failback import Facts
from controller.reconcile.order import Part, Phase
from controller.reconcile.view import View, device_name, shown
from observers.dmtable import DevT


def messages(
    view: View, ref: MapRef, facts: Facts, *, live: Sequence[DevT], loaded: Sequence[DevT] | None
) -> list[Part]:
    """What to tell dm. `live`: the live table's paths; `loaded`: those of a table that this plan loads, or None."""
    found = [part for dev in live if (part := _stop(view, ref, facts[dev]))]
    for dev in live if loaded is None else loaded:
        part = _message(view, ref, facts[dev], loaded=loaded is not None)
        if part is not None:
            found.append(part)
    return found


def stops(view: View, ref: MapRef, facts: Facts, *, live: Sequence[DevT]) -> list[Part]:
    """Only what stops damage, for a map in which nothing else may be done."""
    return [part for dev in live if (part := _stop(view, ref, facts[dev]))]


def _stop(view: View, ref: MapRef, fact: PathFacts) -> Part | None:
    if not (fact.mismatch and fact.active):
        return None
    step = FailPath(map=ref, dev=fact.dev, name=device_name(view, fact.dev))
    reason = f"fails {shown(view, fact.dev)} at once: {fact.mismatch}"
    return Part(phase=Phase.STOP, action="paths", steps=(step,), reasons=(reason,))


def _message(view: View, ref: MapRef, fact: PathFacts, *, loaded: bool) -> Part | None:
    if fact.mismatch and not loaded:
        return None if fact.active else _talk(view, fact, "failed")
    if not fact.needs_message(loaded=loaded):
        return _silence(view, fact)
    name = device_name(view, fact.dev)
    if fact.active_after:
        back = ReinstatePath(map=ref, dev=fact.dev, name=name)
        reason = f"reinstates {shown(view, fact.dev)}: {words(view, fact)}"
        return Part(phase=Phase.REINSTATE, action="paths", steps=(back,), reasons=(reason,))
    verb = "keeps failed" if fact.active is False else "fails"
    reason = f"{verb} {shown(view, fact.dev)}: {words(view, fact)}"
    step = FailPath(map=ref, dev=fact.dev, name=name)
    return Part(phase=Phase.FAIL, action="paths", steps=(step,), reasons=(reason,))


def _silence(view: View, fact: PathFacts) -> Part | None:
    """Why nothing is said about a path that is not simply well."""
    if fact.held_ghost:
        return _talk(view, fact, "failed", "a standby path that can't be activated waits for a path that is up")
    if fact.fenced and fact.state.usable:
        return _talk(view, fact, "failed" if fact.active is False else "out")
    if WISHES[fact.state] is Wish.AS_IS:
        return _talk(view, fact, "failed" if fact.active is False else "active")
    if fact.active is False and fact.state.usable:
        return _talk(view, fact, "failed", "it does not belong to this map")
    return None if fact.state.usable else _talk(view, fact, "failed")


def _talk(view: View, fact: PathFacts, believed: str, why: str = "") -> Part:
    return Part(phase=Phase.TALK, reasons=(f"{shown(view, fact.dev)} stays {believed}: {why or words(view, fact)}",))
