"""How tests talk with a checker: its answers one after the other, what it asked, and what it found."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from observers.asking import Answer, Question, ask, converse
from observers.checkers import DEFAULT_TIMEOUT, Checked, Task, check, default_checker, sysfs_health
from observers.checkers.judging import NOTHING, Recollection
from observers.dmtable import DevT, Sectors
from observers.host import ReadHost
from observers.snapshot import Bus, DeviceName, Health, Path

PATH = Path(name=DeviceName("sda"), dev=DevT("8:0"), size=Sectors(131072), bus=Bus.SCSI)


@dataclass
class Device:
    """A device with prepared answers; a number, but not True or False, is an errno. The last answer stays."""

    answers: list[Answer | int]
    asked: list[Question] = field(default_factory=list)
    now: float = 0.0

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int) and not isinstance(answer, bool):
            raise OSError(answer, "refused")
        return answer

    def clock(self) -> float:
        return self.now


def checked(name: str, *answers: Answer | int, recollection: Recollection = NOTHING) -> tuple[Checked, list[Question]]:
    """What a checker found, and what it asked."""
    device = Device(list(answers))
    found = converse(check(PATH, name, Task(timeout=7.0, clock=device.clock, recollection=recollection)), device)
    return found, device.asked


def probe(host: ReadHost, path: Path, name: str | None = None) -> Health:
    """The health of a path on a host: sysfs first, then the checker of that name (None: its bus's)."""
    known = sysfs_health(host, path)
    if known is not None:
        return known
    task = Task(timeout=path.timeout or DEFAULT_TIMEOUT, clock=host.monotonic)
    chosen = default_checker(path.bus) if name is None else name
    return ask(host, path.name, check(path, chosen, task)).health


def words(found: Checked) -> Iterator[str]:
    """The state and the message, as they are shown."""
    yield found.health.state.value
    yield found.health.message
