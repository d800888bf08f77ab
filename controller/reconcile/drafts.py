"""What every decision about a map needs to become a draft: its reason when nothing is done, and refusals respected.

In: the view and parts. Out: drafts and parts. It must never add a step.
"""

from collections.abc import Iterable
from dataclasses import replace

from controller.reconcile import memory as remembering
from controller.reconcile.order import Draft, Part, Phase, join
from controller.reconcile.plan import MapPlan
from controller.reconcile.view import View
from observers.snapshot import Alias, DmUuid, Wwid


def idle(view: View, wwid: Wwid, reason: str) -> Draft:
    """A map to which nothing is done now."""
    part = Part(phase=Phase.TALK, reasons=(reason,), held=True)
    return Draft(plan=joined(view, wwid, [part]))


def joined(view: View, wwid: Wwid, parts: Iterable[Part], name: Alias | None = None) -> MapPlan:
    """One map's plan from its parts; without any reason, the map is as desired.

    A part that wants the map looked at again at once counts on a step of its plan. When that is held back, nothing will
    be different, and whoever looks again at once would never rest.
    """
    parts = tuple(parts)
    if not any(part.steps for part in parts):
        parts = tuple(replace(part, wake_at=None) if part.wake_at == view.now else part for part in parts)
    live, wanted = view.live.get(wwid), view.wanted.get(wwid)
    shape = live.table if live and live.table else wanted.table if wanted else None
    idle = f"as desired: {count(len(shape.devices), 'path')}, {count(len(shape.groups), 'group')}" if shape else ""
    if name is None:
        name = live.name if live else wanted.alias.value if wanted else Alias(wwid)
    uuid = live.uuid if live else DmUuid(wanted.uuid) if wanted else DmUuid("")
    return join(parts, wwid=wwid, uuid=uuid, name=name, idle=idle or "nothing is known of it")


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 path`, `4 paths`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def gated(view: View, wwid: Wwid, parts: Iterable[Part]) -> tuple[list[Part], bool]:
    """The parts, those refused lately replaced by their reason; and whether a refused step was among them."""
    refusal = view.memory.refusals.get(wwid)
    if refusal is None:
        return list(parts), False
    found, met = [], False
    for part in parts:
        why = remembering.held(view.memory, wwid, part.steps, now=view.now)
        met = met or remembering.met(view.memory, wwid, part.steps)
        found.append(_held(part, why, refusal.retry_at) if why else part)
    return found, met


def _held(part: Part, why: str, retry_at: float) -> Part:
    return Part(phase=part.phase, held=True, reasons=(*part.reasons, f"not now: {why}"), wake_at=retry_at)
