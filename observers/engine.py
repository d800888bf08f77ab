"""The interface of what asks devices without waiting for them; who has it drives dialogues of `observers.asking`.

In: questions and blocking calls, each under a ticket that is never used twice. Out: answers, in any order, at any
later time. There are two: `controller.runtime.engine.RealEngine`, and `controller.sandbox.engine.SandboxEngine`, where
time is virtual. An engine must never block its caller, nor raise for what a device did: that is an answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from observers.asking import Question
from observers.snapshot import DeviceName


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a ticket: an answer of the question's kind, what a call returned, or the error of either."""

    ticket: int
    answer: object


class Engine(Protocol):
    """Asks devices. All methods are for one thread, and return at once."""

    def submit(self, ticket: int, name: DeviceName, group: str, question: Question, /) -> None:
        """Ask a device. `group`: its SCSI host (or what else devices can be stuck behind together)."""

    def run(self, ticket: int, group: str, function: Callable[[], object], /) -> None:
        """Make a call that may block; not more than a few of one group run at the same time."""

    def cancel(self, ticket: int, /) -> bool:
        """Drop what has not been begun yet. False: too late, an answer will come."""

    def forget(self, name: DeviceName, /) -> None:
        """The device is gone, or is another one now: close what is open of it. Its answers may never come."""

    def completed(self) -> list[Answered]:
        """What has been answered since the last time."""

    def next_due(self) -> float | None:
        """When, in monotonic seconds, something will have been answered; None: nobody can know."""

    def ready(self) -> bool:
        """Whether `completed` would bring something."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when `completed` would bring something; -1: there is none."""

    def close(self) -> None:
        """End. What is stuck in the kernel is left to it."""
