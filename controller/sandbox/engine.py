"""The sandbox as an `Engine`: questions are out while virtual time passes, and nobody's waiting moves the clock.

In: questions and calls, as `observers.engine.Engine` has them. Out: the answers that the sandbox's host gives a caller
who waits, as soon as it would not have to wait for them. A disk that its transport blocks answers when that ends; a
silent one when the command's own time is over. A call is made when its answer is asked for, and may pass virtual time.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.sandbox.disk_words import DID_NO_CONNECT, DiskState, Link
from controller.sandbox.disks import Disk
from controller.sandbox.host import SandboxHost
from observers.asking import Question, Repeat, Repeated, ScsiCommand, Single, put
from observers.engine import Answered
from observers.host import ScsiReply
from observers.snapshot import DeviceName


@dataclass(slots=True)
class _Out:
    """A question that is out. `until`: when a silent disk's command ends; None: it was not silent so far. `place`: in a
    `Repeat`, of the command that is out."""

    ticket: int
    name: DeviceName
    group: str
    question: Question
    place: int = 0
    until: float | None = None
    held_back: bool = False
    """Its device was open when the transport blocked it, so that opening can refuse nothing any more."""

    @property
    def asks(self) -> Single:
        """What is asked now."""
        return self.question.asked[self.place][0] if isinstance(self.question, Repeat) else self.question

    def goes_on(self, answer: object) -> object | None:
        """What came of it; None: the next of its commands is out now."""
        if not isinstance(self.question, Repeat):
            return answer
        if answer != self.question.asked[self.place][1]:
            return Repeated(self.place, answer) if isinstance(answer, ScsiReply | OSError) else answer
        self.place, self.until, self.held_back = self.place + 1, None, False
        return Repeated(self.place) if self.place == len(self.question.asked) else None


class SandboxEngine:
    """An `Engine`. `most_out`: the most questions that were ever out at the same time, by group."""

    def __init__(self, host: SandboxHost) -> None:
        self._host = host
        self._out: list[_Out] = []
        self._count: Counter[str] = Counter()
        self._calls: list[tuple[int, Callable[[], object]]] = []
        self.most_out: dict[str, int] = {}

    def submit(self, ticket: int, name: DeviceName, group: str, question: Question, /) -> None:
        """See `Engine`."""
        out = _Out(ticket, name, group, question)
        self._out.append(out)
        self._count[group] += 1
        self.most_out[group] = max(self._count[group], self.most_out.get(group, 0))
        self._waits(out)

    def run(self, ticket: int, _group: str, function: Callable[[], object], /) -> None:
        """See `Engine`."""
        self._calls.append((ticket, function))

    def cancel(self, _ticket: int, /) -> bool:
        """See `Engine`: all that was submitted is on its way."""
        return False

    def forget(self, name: DeviceName, /) -> None:
        """See `Engine`."""
        self._take(lambda out: out.name == name)

    def completed(self) -> list[Answered]:
        """See `Engine`."""
        answered = [each for out in self._take(lambda out: not self._waits(out)) for each in self._answered(out)]
        calls, self._calls = self._calls, []
        return [*answered, *(Answered(ticket, _called(function)) for ticket, function in calls)]

    def _answered(self, out: _Out) -> list[Answered]:
        """What came of a question; nothing while a command of it waits."""
        finished = None
        while finished is None:
            if self._waits(out):
                self._out.append(out)
                self._count[out.group] += 1
                return []
            finished = out.goes_on(self._answer(out))
        return [Answered(out.ticket, finished)]

    def _take(self, wanted: Callable[[_Out], bool]) -> list[_Out]:
        """Take some of what is out."""
        taken = [out for out in self._out if wanted(out)]
        tickets = {out.ticket for out in taken}
        self._out = [out for out in self._out if out.ticket not in tickets]
        self._count.subtract(out.group for out in taken)
        return taken

    def next_due(self) -> float | None:
        """See `Engine`: when the first silent disk's command ends."""
        return min((out.until for out in self._out if out.until is not None), default=None)

    def ready(self) -> bool:
        """See `Engine`."""
        return bool(self._calls) or any(not self._waits(out) for out in self._out)

    def fileno(self) -> int:
        """See `Engine`: `controller.sandbox.waiting.VirtualSelector` waits without one."""
        return -1

    def close(self) -> None:
        """See `Engine`."""
        self._out.clear()
        self._count.clear()
        self._calls.clear()

    def _waits(self, out: _Out) -> bool:
        """Whether who asked would have to wait now. The time of a silent disk's command runs from the first look."""
        disk = self._host.kernel.disk(out.name)
        if disk is None or not _holds(disk):
            return False
        if disk.state is DiskState.BLOCKED:
            out.held_back = True
            return True
        clock = self._host.kernel.clock
        if out.until is None:
            out.until = clock.now + out.asks.timeout
            clock.after(out.asks.timeout, _nothing)  # something to wait for
        return clock.now < out.until

    def _answer(self, out: _Out) -> object:
        disk, question = self._host.kernel.disk(out.name), out.asks
        given_up = disk is not None and disk.state is not DiskState.RUNNING
        if given_up and out.held_back and isinstance(question, ScsiCommand):
            return ScsiReply(status=0, host_status=DID_NO_CONNECT, driver_status=0, sense=b"", data=b"")
        silent = disk is not None and _holds(disk)  # then its time is over, and none more passes
        return _outcome(lambda: put(self._host, out.name, replace(question, timeout=0.0) if silent else question))


def _outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except OSError as error:
        return error


def _called(function: Callable[[], object]) -> object:
    """What a worker brings back: whatever is raised is the call's answer."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - as in the real engine
        return error


def _holds(disk: Disk) -> bool:
    return disk.state is DiskState.BLOCKED or (disk.state is DiskState.RUNNING and disk.link is Link.SILENT)


def _nothing() -> None:
    """Happens on the clock where only the instant matters."""
