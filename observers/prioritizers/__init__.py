"""Prioritizers that ask the device: one module each, listed in `PRIORITIZERS`. All others are pure: `desired.priority`.

In: a path, the prioritizer's name and arguments. Out: a dialogue that ends with a `PrioritySeen`. Whatever a device
answers, a dialogue ends: what can't be made sense of is no answer. A prioritizer must never change anything.
"""

from typing import NamedTuple

from observers.asking import Dialogue
from observers.errors import MpathError
from observers.prioritizers import ana, datacore, emc, hds, hp_sw, ontap, path_latency, rdac
from observers.prioritizers.judging import Ask, Judgement
from observers.reading import describe
from observers.snapshot import Path, PathState, PrioritySeen


class Prioritizer(NamedTuple):
    """A prioritizer: its name in multipath.conf(5) (`prio`), and its value where the device gives no answer.

    `unanswered`: None where that means that the priority can't be told.
    """

    name: str
    ask: Ask
    unanswered: int | None = None


PRIORITIZERS = (
    Prioritizer(ana.NAME, ana.ask),
    Prioritizer(emc.NAME, emc.ask),
    Prioritizer(rdac.NAME, rdac.ask, unanswered=0),
    Prioritizer(hp_sw.NAME, hp_sw.ask, unanswered=0),
    Prioritizer(hds.NAME, hds.ask),
    Prioritizer(ontap.NAME, ontap.ask, unanswered=0),
    Prioritizer(datacore.NAME, datacore.ask, unanswered=0),
    Prioritizer(path_latency.NAME, path_latency.ask),
)
"""All that ask. A new one is a module and a row here."""

ASKING = frozenset(each.name for each in PRIORITIZERS)
"""Their names."""

_BY_NAME = {each.name: each for each in PRIORITIZERS}

_WHEN_DOWN = 0.010
_WITHOUT_CHECKER_TIMEOUT = 0.030
"""Seconds. multipath-tools means 30 s by the second, and takes the number for milliseconds."""


def prioritizer_timeout(state: PathState, checker_timeout: int) -> float:
    """Seconds that one command of a prioritizer may take. `checker_timeout`: seconds, 0: none is in force."""
    if state is PathState.DOWN:
        return _WHEN_DOWN
    return float(checker_timeout) if checker_timeout else _WITHOUT_CHECKER_TIMEOUT


def ask_priority(path: Path, name: str, arguments: str, *, timeout: float) -> Dialogue[PrioritySeen]:
    """The dialogue of the prioritizer of that name (KeyError: none that asks has it); `timeout`: for each command."""
    prioritizer = _BY_NAME[name]
    try:
        found = yield from prioritizer.ask(path, arguments, timeout=timeout)
    except (OSError, MpathError) as error:
        found = Judgement(prioritizer.unanswered, describe(error))
    return PrioritySeen(prioritizer=name, arguments=arguments, value=found.value, message=found.message)
