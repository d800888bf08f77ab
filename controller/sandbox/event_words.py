"""The words of an event in a scenario file: checked against the verb's row and against what the scenario has.

In: a line after its time, and the scenario as far as it was read. Out: an `Event`. What is only known while it runs (a
disk's or a map's name) is checked in its form alone.
"""

import errno
import re
from collections.abc import Callable, Mapping

from controller.sandbox.block import Kind
from controller.sandbox.disks import Link
from controller.sandbox.events import VERBS, Word, seconds, sectors
from controller.sandbox.san import AccessState, Event, Scenario
from controller.sandbox.words import Line

_DISK = re.compile(r"sd[a-z]+|\d+:\d+:\d+:\d+")


def read_event(line: Line, at: float, scenario: Scenario) -> Event:
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
    words = tuple(_checked(line, kind, scenario) for kind in kinds)
    line.end()
    return Event(at, name, words)


def _checked(line: Line, kind: Word, scenario: Scenario) -> str:
    word = line.take(kind)
    fits, hint = _CHECKS[kind](word, scenario)
    if not fits:
        raise line.error(f"{word!r} is not {kind}", hint=hint)
    return word


_Check = Callable[[str, Scenario], tuple[bool, str]]


def _form(test: Callable[[str], bool]) -> _Check:
    return lambda word, _: (test(word), "")


def _one_of(*values: str) -> _Check:
    return lambda word, _: (word in values, f"one of: {', '.join(values)}")


def _known(list_known: Callable[[Scenario], list[str]]) -> _Check:
    def check(word: str, scenario: Scenario) -> tuple[bool, str]:
        known = list_known(scenario)
        return word in known, f"this scenario has: {', '.join(known) or 'none'}"

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
    Word.HOST: _known(lambda scenario: [str(adapter.host) for adapter in scenario.adapters]),
    Word.PORT: _known(lambda scenario: [f"{array.name}/{port}" for array in scenario.arrays for port in array.ports]),
    Word.UNIT: _known(
        lambda scenario: [f"{array.name}:{lun.number}" for array in scenario.arrays for lun in array.luns]
    ),
    Word.GROUP: _known(
        lambda scenario: [f"{array.name}:{group.id}" for array in scenario.arrays for group in array.groups]
    ),
    Word.STATE: _one_of(*AccessState),
    Word.LINK: _one_of(*Link),
    Word.SIZE: _form(_converts(sectors)),
    Word.TIME: _form(_converts(seconds)),
    Word.MAP: _form(bool),
    Word.KIND: _one_of(*Kind),
    Word.COUNT: _form(lambda word: word.isascii() and word.isdigit()),
    Word.ERRNO: _form(lambda word: word in errno.errorcode.values()),
    Word.TEXT: _form(bool),
    Word.ON_OFF: _one_of("on", "off"),
}
