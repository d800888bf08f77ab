"""The persistent reservations of one logical unit, as its array keeps them (SPC-5 clause 5.14).

In: registrations, and what other hosts do to them. Out: the keys, and who holds a reservation. Whoever registers is
known by anything that can be a key of a dict: the two ports of a nexus, or the name of another host. It must never know
of commands: those are in `fabric`.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 0x5


@dataclass(slots=True, eq=False)
class Registrations:
    """`keys`: of each registrant. `holder`: whose reservation there is, None: there is none. `persists`: whether all
    this survives a loss of power. `generation`: how often it changed."""

    keys: dict[Hashable, int] = field(default_factory=dict)
    holder: Hashable | None = None
    persists: bool = False
    generation: int = 0

    def register(self, who: Hashable, key: int, *, aptpl: bool = False) -> None:
        """Another key for a registrant, whatever it had; 0: none, and its reservation ends."""
        self.generation += 1
        self.persists = aptpl
        if key:
            self.keys[who] = key
            return
        self.keys.pop(who, None)
        if self.holder == who:
            self.holder = None

    def reserve(self, who: Hashable) -> None:
        """A registrant reserves the unit."""
        self.holder = who

    def preempt(self, who: Hashable, key: int) -> list[Hashable]:
        """A registrant takes all registrations with a key away, and the reservation with them; who lost one."""
        self.generation += 1
        lost = [each for each, registered in self.keys.items() if registered == key and each != who]
        for each in lost:
            del self.keys[each]
        if self.holder in lost:
            self.holder = who
        return lost

    @property
    def held_under(self) -> int | None:
        """The key of whoever holds a reservation."""
        return None if self.holder is None else self.keys.get(self.holder)
