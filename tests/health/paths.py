"""Memories and answers for the tests of the path state machine."""

from controller.reconcile.fencing import Reading
from controller.reconcile.health import PathMemory, advance, first
from desired.care import PathCare
from desired.identity import Standing
from observers.snapshot import Health, PathState, Wwid

NOW = 1000.0
CARE = PathCare(polling_interval=5, max_polling_interval=20)
OURS, THEIRS = Wwid("3aaa"), Wwid("3bbb")


def answer(state: PathState, message: str = "", checker: str = "tur") -> Health:
    return Health(checker, state, message)


def reading(memory: PathMemory, standing: Standing = Standing.CONFIRMED, said: Wwid = OURS) -> Reading:
    """What the device says now of its identity."""
    return Reading(epoch=memory.identity.epoch, standing=standing, believed=OURS, said=said)


def check(
    memory: PathMemory, state: PathState, *, now: float = NOW, care: PathCare = CARE, **more: object
) -> PathMemory:
    """A check that confirms the identity too."""
    given: dict[str, object] = {"reading": reading(memory), **more}
    return advance(memory, answer(state), care, now=now, **given)  # type: ignore[arg-type]  # fields by name


def stored(state: PathState, care: PathCare = CARE) -> PathMemory:
    """A path in one of the states that are stored, whose identity was read."""
    start = first(0, care, now=NOW)
    if state is PathState.UNCHECKED:
        return start
    return check(start, state, care=care)
