"""The words of an event in a scenario file: checked against the verb's row and against what the scenario has.

In: a line after its time, and the scenario as far as it was read. Out: an `Event`. What is only known while it runs (a
disk's or a map's name) is checked in its form alone.
"""

import errno
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.sandbox.block import Kind
from controller.sandbox.disk_words import Link
from controller.sandbox.events import VERBS, Word, seconds, sectors
from controller.sandbox.nvme_san import ANA_STATES, ControllerState
from controller.sandbox.san import AccessState, Adapter, Array, Event, Scenario
from controller.sandbox.words import Line

_COUNT = re.compile(r"[0-9]{1,9}")
_MD = re.compile(r"md\d{1,3}")
_CONTROLLER, _NAMESPACE = re.compile(r"nvme\d{1,4}"), re.compile(r"nvme\d{1,4}n\d{1,4}")
_DISK = re.compile(r"sd[a-z]+|\d+:\d+:\d+:\d+")


@dataclass(frozen=True, slots=True)
class Names:
    """What the words of events can name, as far as the scenario was read. A scenario can have thousands of units and of
    events, so the names are made once, and again only when arrays or adapters were added."""

    arrays: tuple[Array, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    known: Mapping[Word, Mapping[str, None]] = field(default_factory=dict, repr=False)

    def following(self, scenario: Scenario) -> "Names":
        """The names of a scenario that was this one before."""
        if self.known and self.arrays is scenario.arrays and self.adapters is scenario.adapters:
            return self
        return Names(scenario.arrays, scenario.adapters, _names(scenario))


def _names(scenario: Scenario) -> Mapping[Word, Mapping[str, None]]:
    arrays = scenario.arrays
    return {
        Word.HOST: dict.fromkeys(str(adapter.host) for adapter in scenario.adapters),
        Word.PORT: dict.fromkeys(f"{array.name}/{port}" for array in arrays for port in array.ports),
        Word.UNIT: dict.fromkeys(f"{array.name}:{lun.number}" for array in arrays for lun in array.luns),
        Word.GROUP: dict.fromkeys(f"{array.name}:{group.id}" for array in arrays for group in array.groups),
    }


def read_event(line: Line, at: float, names: Names) -> Event:
    """The event of a line."""
    name = line.take("what happens")
    verb = VERBS.get(name)
    if verb is None:
        raise line.error(f"no event is called {name!r}", hint=f"there are: {', '.join(VERBS)}")
    kinds = list(verb.words)
    if verb.several:
        last = kinds.pop()
        needed = not kinds or name == "link"
        kinds += [last] * max(line.left - len(kinds), int(needed))
    words = tuple(_checked(line, kind, names) for kind in kinds)
    line.end()
    return Event(at, name, words)


def _checked(line: Line, kind: Word, names: Names) -> str:
    word = line.take(kind)
    fits, hint = _CHECKS[kind](word, names)
    if not fits:
        raise line.error(f"{word!r} is not {kind}", hint=hint)
    return word


_Check = Callable[[str, Names], tuple[bool, str]]


def _form(test: Callable[[str], bool]) -> _Check:
    return lambda word, _: (test(word), "")


def _one_of(*values: str) -> _Check:
    return lambda word, _: (word in values, f"one of: {', '.join(values)}")


def _known(kind: Word) -> _Check:
    def check(word: str, names: Names) -> tuple[bool, str]:
        known = names.known[kind]
        return (True, "") if word in known else (False, f"this scenario has: {', '.join(known) or 'none'}")

    return check


def _converts(convert: Callable[[str], float]) -> Callable[[str], bool]:
    def test(word: str) -> bool:
        try:
            convert(word)
        except ValueError:
            return False
        return True

    return test


_CHECKS: Mapping[Word, _Check] = {
    Word.DISK: _form(lambda word: _DISK.fullmatch(word) is not None),
    Word.HOST: _known(Word.HOST),
    Word.PORT: _known(Word.PORT),
    Word.UNIT: _known(Word.UNIT),
    Word.GROUP: _known(Word.GROUP),
    Word.STATE: _one_of(*AccessState),
    Word.LINK: _one_of(*Link),
    Word.SIZE: _form(_converts(sectors)),
    Word.TIME: _form(_converts(seconds)),
    Word.MAP: _form(bool),
    Word.MD: _form(lambda word: _MD.fullmatch(word) is not None),
    Word.CONTROLLER: _form(lambda word: _CONTROLLER.fullmatch(word) is not None),
    Word.CONTROLLER_STATE: _one_of(*ControllerState),
    Word.NAMESPACE: _form(lambda word: _NAMESPACE.fullmatch(word) is not None),
    Word.ANA_STATE: _one_of(*ANA_STATES),
    Word.KIND: _one_of(*Kind),
    Word.COUNT: _form(lambda word: _COUNT.fullmatch(word) is not None),
    Word.ERRNO: _form(lambda word: word in errno.errorcode.values()),
    Word.TEXT: _form(bool),
    Word.ON_OFF: _one_of("on", "off"),
}
