"""Dialogues with thousands of devices at once, each on its own lane, so that no device can keep another waiting.

Theory of operation. A lane is a device. It is free, or it has one dialogue, whose present question is waiting for its
turn in the group (the SCSI host) or is out at the engine. When a dialogue's deadline passes, that is its result, at
once; the question that is still out keeps the lane until its answer comes, which then is dropped. So a dead device
never has more than one question out. Answers are taken before anything is late, and each question has at least half of
its dialogue's time, whatever happened before: where this process, or the whole machine, stood still for a while, no
device is blamed for that. Tickets are never used twice: an answer whose ticket nobody waits for belongs to
the past.

A group has two limits. `Limits.fresh` keeps a host from being flooded; a question that is out for longer than
`Limits.patience` counts against it no longer, else a few silent devices would stop the checks of all others. What the
host can hold in the end (its `can_queue`) limits all together.

In: dialogues, calls, and the time. Out: `Finished` values. It must never wait, read a clock, or let the error of one
dialogue reach another.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from observers.asking import Answer, Dialogue, Question, Repeat
from observers.breathing import Breathe, breathing, without_pause
from observers.engine import Answered, Engine
from observers.host import ReadHost
from observers.snapshot import DeviceName

_SHARE = 0.75
"""Of a host's command slots: the rest is for the I/O of those who use the disks."""

_MOST_GROUPS = 1024
"""After this many, those with nothing to do are forgotten: an iSCSI session has a new host number at each login."""

_USUAL_CAPACITY = 256
"""Where the host does not say what it can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one group: `fresh` commands out that are younger than `patience` seconds.

    As they are, 1,000 silent disks on four hosts, all asked at one moment, keep the others for half a second at most.
    """

    fresh: int = 128
    patience: float = 0.25


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline came first. `asked` False: the device was never asked, as its group had no room."""

    asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of a dialogue or a call. `token`: what it was started with. `seconds`: from its start until now.

    `finding`: what the dialogue returned (or the call), the error that it ended with, or `TimedOut`.
    """

    key: str
    token: object
    finding: Any
    seconds: float


class _Lane:
    """One dialogue or call. `ticket` 0: nothing of it is out. `least`: seconds for a question. `weight`: the commands
    of the question that is out. `over`: its result was reported."""

    __slots__ = (
        "began",
        "deadline",
        "dialogue",
        "group",
        "is_call",
        "key",
        "least",
        "over",
        "question",
        "slow",
        "ticket",
        "token",
        "weight",
    )

    def __init__(self, key: str, group: str, *, token: object, began: float, deadline: float) -> None:
        self.key, self.group, self.token, self.began, self.deadline = key, group, token, began, deadline
        self.least = (deadline - began) / 2
        self.dialogue: Dialogue[object] | None = None
        self.question: Question | None = None
        self.ticket = self.weight = 0
        self.over = self.slow = self.is_call = False


class _Group:
    """`out`: commands at the engine; `slow`: those of them whose patience is at an end."""

    __slots__ = ("capacity", "out", "slow", "waiting")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.out = self.slow = 0
        self.waiting: deque[_Lane] = deque()

    def has_room(self, fresh: int) -> bool:
        return self.out < self.capacity and self.out - self.slow < fresh


class Lanes:
    """All lanes. Everything is called by one thread, with its `now` in monotonic seconds."""

    def __init__(self, engine: Engine, *, capacity: Callable[[str], int], limits: Limits | None = None) -> None:
        self._engine, self._capacity, self._limits = engine, capacity, limits or Limits()
        self._lanes: dict[str, _Lane] = {}
        self._groups: dict[str, _Group] = {}
        self._out: dict[int, _Lane] = {}
        self._tickets = count(1)
        self._done: list[Finished] = []
        self._deadlines: list[tuple[float, int, _Lane]] = []
        self._patience: deque[tuple[float, int]] = deque()
        self._order = count()
        self.breathe: Breathe = without_pause
        """Called between two answers, or two that are late; it must change nothing."""

    # ---- beginning

    def start(
        self, key: DeviceName, group: str, dialogue: Dialogue[Any], *, now: float, deadline: float, token: object
    ) -> bool:
        """Begin a dialogue with a device. False: its lane is busy (the dialogue is closed, nothing is reported)."""
        if key in self._lanes:
            dialogue.close()
            return False
        lane = self._open(_Lane(key, group, token=token, began=now, deadline=deadline))
        lane.dialogue = dialogue
        self._advance(lane, lambda: next(dialogue), now=now, first=True)
        return True

    def call(
        self, key: str, group: str, function: Callable[[], object], *, now: float, deadline: float, token: object
    ) -> bool:
        """Make a call that may block, on a lane of its own name. A call that is late is not stopped."""
        if key in self._lanes:
            return False
        lane = self._open(_Lane(key, group, token=token, began=now, deadline=deadline))
        lane.is_call = True
        lane.ticket = next(self._tickets)
        self._out[lane.ticket] = lane
        self._engine.run(lane.ticket, group, function)
        return True

    def _open(self, lane: _Lane) -> _Lane:
        self._lanes[lane.key] = lane
        if lane.deadline != math.inf:  # it would never come to the top of the heap, and stay there with all it holds
            heapq.heappush(self._deadlines, (lane.deadline, next(self._order), lane))
        return lane

    # ---- asking about them

    def busy(self, key: str) -> bool:
        """Whether a device has a dialogue, or a question of one that is over is still out."""
        return key in self._lanes

    def stuck(self) -> Mapping[str, float]:
        """The lanes whose result was reported and whose question is still out: since when they have been busy."""
        return {key: lane.began for key, lane in self._lanes.items() if lane.over}

    def due(self) -> float | None:
        """When `finished` should be called even if nothing is answered; None: there is nothing to wait for."""
        if self._done:
            return 0.0
        while self._deadlines and self._deadlines[0][2].over:
            heapq.heappop(self._deadlines)
        times = [self._deadlines[0][0]] if self._deadlines else []
        if self._patience and any(group.waiting for group in self._groups.values()):
            times.append(self._patience[0][0])
        following = self._engine.next_due()
        return min([*times, *([following] if following is not None else [])], default=None)

    def fileno(self) -> int:
        """Readable when `finished` would bring something (or let a dialogue go on)."""
        return self._engine.fileno()

    def ready(self) -> bool:
        """Whether an answer is there that `finished` has not seen."""
        return self._engine.ready()

    # ---- going on

    def finished(self, now: float) -> list[Finished]:
        """Take the answers that have come, let dialogues go on, and report those that ended or are too late."""
        for answered in breathing(self._engine.completed(), self.breathe):
            self._answered(answered, now)
        self._lose_patience(now)
        self._end_late(now)
        for group in self._groups.values():
            if group.waiting:
                self._send_waiting(group, now)
        done, self._done = self._done, []
        return done

    def forget(self, key: str) -> None:
        """A device is gone, or its name is another's now: its lane is free at once, and nothing is reported."""
        lane = self._lanes.pop(key, None)
        if lane is not None:
            lane.over = True
            self._close_dialogue(lane)
            if lane.ticket:
                self._taken_back(lane.ticket)
            else:
                self._groups[lane.group].waiting.remove(lane)
        self._engine.forget(DeviceName(key))

    def close(self) -> None:
        """End everything; nothing is reported any more."""
        for lane in self._lanes.values():
            self._close_dialogue(lane)
        self._lanes.clear()
        self._out.clear()
        self._engine.close()

    def _answered(self, answered: Answered, now: float) -> None:
        lane = self._taken_back(answered.ticket)
        if lane is None:  # of a device that was forgotten
            return
        if lane.over:
            del self._lanes[lane.key]
        elif lane.dialogue is None:
            self._report(lane, answered.answer, now)
        else:
            self._advance(lane, _reaction(lane.dialogue, answered.answer), now=now, first=False)

    def _advance(self, lane: _Lane, react: "Callable[[], Question]", *, now: float, first: bool) -> None:
        """Let a dialogue take its next turn, which asks or ends it."""
        try:
            lane.question = react()
        except StopIteration as end:
            self._report(lane, end.value, now)
        except Exception as error:  # noqa: BLE001 - whatever breaks a dialogue is its own result, and no other's
            self._report(lane, error, now)
        else:
            group = self._group(lane.group)
            if first:
                group.waiting.append(lane)
            else:
                group.waiting.appendleft(lane)  # begun is half done: its deadline is running
            self._send_waiting(group, now)

    def _group(self, name: str) -> _Group:
        known = self._groups.get(name)
        if known is None:
            if len(self._groups) > _MOST_GROUPS:
                self._groups = {name: group for name, group in self._groups.items() if group.out or group.waiting}
            known = self._groups[name] = _Group(self._capacity(name))
        return known

    def _send_waiting(self, group: _Group, now: float) -> None:
        while group.waiting and group.has_room(self._limits.fresh):
            lane = group.waiting.popleft()
            question = lane.question
            if question is None:
                continue
            lane.ticket, lane.question, lane.slow = next(self._tickets), None, False
            self._out[lane.ticket] = lane
            lane.deadline = max(lane.deadline, now + lane.least)
            lane.weight = len(question.asked) if isinstance(question, Repeat) else 1
            group.out += lane.weight
            self._patience.append((now + self._limits.patience, lane.ticket))
            self._engine.submit(lane.ticket, DeviceName(lane.key), lane.group, question)

    def _taken_back(self, ticket: int) -> _Lane | None:
        """A ticket is out no longer: whose it was."""
        lane = self._out.pop(ticket, None)
        if lane is not None:
            lane.ticket = 0
            if not lane.is_call:
                group = self._groups[lane.group]
                group.out -= lane.weight
                group.slow -= lane.weight if lane.slow else 0
        return lane

    # ---- being late

    def _lose_patience(self, now: float) -> None:
        while self._patience and self._patience[0][0] <= now:
            lane = self._out.get(self._patience.popleft()[1])
            if lane is not None and not lane.slow:
                lane.slow = True
                self._groups[lane.group].slow += lane.weight

    def _end_late(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            lane = heapq.heappop(self._deadlines)[2]
            self.breathe()
            if lane.over:
                continue
            if lane.deadline > now:
                heapq.heappush(self._deadlines, (lane.deadline, next(self._order), lane))
            else:
                self._time_out(lane, now)

    def _time_out(self, lane: _Lane, now: float) -> None:
        if not lane.ticket:
            self._groups[lane.group].waiting.remove(lane)
            self._report(lane, TimedOut(asked=False), now)
        elif self._engine.cancel(lane.ticket):
            self._taken_back(lane.ticket)
            self._report(lane, TimedOut(asked=False), now)
        else:
            self._report(lane, TimedOut(asked=True), now)

    def _report(self, lane: _Lane, finding: object, now: float) -> None:
        """The end of a dialogue or a call; its lane is free unless a question of it is out."""
        lane.over = True
        if not lane.ticket:
            del self._lanes[lane.key]
        self._close_dialogue(lane)
        self._done.append(Finished(key=lane.key, token=lane.token, finding=finding, seconds=now - lane.began))

    def _close_dialogue(self, lane: _Lane) -> None:
        if lane.dialogue is not None:
            lane.dialogue.close()
            lane.dialogue = None


def _reaction(dialogue: Dialogue[object], answer: object) -> "Callable[[], Question]":
    """How a dialogue is given an answer: an error of the call is thrown into it."""
    if isinstance(answer, Exception):
        error = answer
        return lambda: dialogue.throw(error)
    given: Answer = answer  # type: ignore[assignment]  # an engine answers each question in its kind
    return lambda: dialogue.send(given)


def host_capacity(host: ReadHost) -> Callable[[str], int]:
    """How many questions a group can have out, by what its SCSI host says that it can queue."""

    def capacity(group: str) -> int:
        try:
            said = int(host.read_file(f"/sys/class/scsi_host/{group}/can_queue"))
        except (OSError, ValueError):
            return _USUAL_CAPACITY
        return max(1, int(said * _SHARE))

    return capacity
