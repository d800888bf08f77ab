"""Small dialogues and an engine whose answers a test gives itself."""

from collections.abc import Callable

from observers.asking import Dialogue, Question, ScsiCommand, scsi
from observers.engine import Answered
from observers.host import ScsiReply
from observers.kernel.scsi import test_unit_ready as unit_ready
from observers.snapshot import DeviceName

GOOD = ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=b"")
TUR = ScsiCommand(cdb=unit_ready(), reply_length=0, timeout=30.0)


def tur(times: int = 1) -> Dialogue[str]:
    """Asks some times, and says what it was told."""
    told = []
    for _ in range(times):
        try:
            reply = yield from scsi(TUR)
        except OSError as error:
            return f"refused {error.errno}"
        told.append(f"{reply.status}/{reply.host_status}")
    return " ".join(told)


class ScriptedEngine:
    """An `Engine` that answers what a test puts into it."""

    def __init__(self) -> None:
        self.asked: dict[int, tuple[str, str, Question]] = {}
        self.called: dict[int, Callable[[], object]] = {}
        self.cancelled: list[int] = []
        self.forgotten: list[str] = []
        self.can_cancel = False
        self.closed = False
        self._answers: list[Answered] = []

    def answer(self, name: str, answer: object = GOOD) -> None:
        """Answer the oldest question to a device, maybe with an error."""
        ticket = next(ticket for ticket, (known, _, _) in self.asked.items() if known == name)
        del self.asked[ticket]
        self._answers.append(Answered(ticket, answer))

    @property
    def names(self) -> list[str]:
        """The devices that have a question out."""
        return [name for name, _, _ in self.asked.values()]

    def submit(self, ticket: int, name: DeviceName, group: str, question: Question, /) -> None:
        assert ticket not in self.asked
        self.asked[ticket] = (name, group, question)

    def run(self, ticket: int, group: str, function: Callable[[], object], /) -> None:
        self.called[ticket] = function

    def finish_call(self, ticket: int) -> None:
        """Make a call."""
        self._answers.append(Answered(ticket, self.called.pop(ticket)()))

    def cancel(self, ticket: int, /) -> bool:
        self.cancelled.append(ticket)
        if self.can_cancel:
            self.asked.pop(ticket, None)
        return self.can_cancel

    def forget(self, name: DeviceName, /) -> None:
        self.forgotten.append(name)

    def completed(self) -> list[Answered]:
        answers, self._answers = self._answers, []
        return answers

    def next_due(self) -> float | None:
        return None

    def ready(self) -> bool:
        return bool(self._answers)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.closed = True
