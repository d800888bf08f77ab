"""Which path is asked when, and what its answers come to.

Theory of operation. Every path that is, or may become, part of a map has a `PathMemory`, whose `due` says when it is
asked next. A check is one dialogue on the path's lane: is the device still who it was, does it work, how good is it.
Its finding goes into the world (what the device said) and through the state machine (what that comes to). A path that
the kernel itself does not call up is sent nothing: its finding is there at once. A new path is introduced first:
everything that its device says of itself, on which the choice of checker and prioritizer depends.

What a check is for, in its token: the path, which device had the name then, and the epoch of its identity, so that an
answer that an event overtook is not taken for an answer to that event.

In: paths that appear, change, go; answers from the lanes; the time. Out: dialogues begun, and `PathChange`s. It must
never wait, and never decide what is done about a path.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import islice

from controller.reconcile import health
from controller.reconcile.done import paths_failed
from controller.reconcile.fencing import Sign, sign_of_sense
from controller.reconcile.health import PathMemory
from controller.reconcile.orders import seen
from controller.runtime.agenda import Agenda, Places
from controller.runtime.caring import Caring
from controller.runtime.check_dialogues import Asked, Finding, Told, finding_of, with_answers
from controller.runtime.deciding import Decider
from controller.runtime.judging import Judge, change_of, group_of
from controller.runtime.kernel_use import KernelUse
from controller.runtime.lanes import Finished, Lanes
from controller.runtime.questions import Questions
from controller.runtime.steady import SteadyChecks
from controller.runtime.telling import PathChange
from controller.runtime.world import World
from desired.config import Config
from desired.model import Verdict
from desired.probing import Prober
from observers import sysfs
from observers.asking import Dialogue
from observers.breathing import Breathe, without_pause
from observers.checkers import sysfs_health
from observers.dmtable import DevT
from observers.errors import MpathError
from observers.host import WatchHost
from observers.probe import Probe
from observers.snapshot import DeviceName, Map, Path

_GRACE = 1.0
"""Seconds beyond the time that a command gets, after which its answer is waited for no longer."""

_REGULAR = frozenset({Verdict.ADMITTED, Verdict.UNVERIFIED, Verdict.MISMATCH})
"""What must be known of a device for it to be checked again and again; others are asked once, until they change."""


class Checks:
    """All checks of a host. `watched`: see `SteadyChecks`."""

    def __init__(
        self, host: WatchHost, *, world: World, decider: Decider, lanes: Lanes,
        watched: Callable[[DeviceName], str | None],
    ) -> None:  # fmt: skip
        self._host, self._world, self._decider, self._lanes = host, world, decider, lanes
        self._agenda = Agenda(self._due)
        self._expecting: set[DeviceName] = set()
        self._questions = Questions(host.monotonic, decider.wwid_of)
        self._unsaid: dict[DeviceName, Path] = {}
        """Paths as they were before sysfs was read again: what that changed is told with the answer of the check."""
        self._places = Places()
        self._devs: dict[DeviceName, DevT] = {}
        self._again: set[DeviceName] = set()
        """The paths to which something happened while they were being asked."""
        self._until: dict[DeviceName, float] = {}
        """When the paths that are being asked are due again if nothing happens."""
        self._overtaken: set[DeviceName] = set()
        """The paths of which the kernel said something while they were being asked."""
        self._used = KernelUse()
        self.sampled: set[DeviceName] = set()
        """The paths that are to be read from, since they failed twice in a short time."""
        self._caring = Caring(world, decider)
        self._judge = Judge()
        self._steady = SteadyChecks(host, watched)
        self.on_defect: Callable[[str, BaseException], None] = lambda _what, _error: None
        """Called when a check ended in a way that nobody foresaw."""

    # ---- what happens to paths

    def configured(self, config: Config, *, breathe: Breathe = without_pause) -> None:
        """Another configuration: what to ask is chosen anew."""
        snapshot = self._world.snapshot(_as_it_is, breathe=breathe)
        breathe()
        prober = Prober(config, snapshot, breathe=breathe)
        breathe()
        self._questions.choose_by(prober)
        self._judge.by(prober.identifier)

    def appeared(self, name: DeviceName, *, now: float) -> None:
        """A path that was not known, or another device under a known name."""
        path = self._world.path(name)
        if path is None:
            return
        self._lanes.forget(name)
        self._forget(name)
        memory = health.first(self._places.take(group_of(path)), self._caring.of(path), now=now)
        self._devs[name] = path.dev
        self._questions.new(name)
        if self._questions.probe(path) is not None:
            self._expecting.add(name)
            memory = health.look_now(memory, now=now)
        self.remember(path, memory)

    def vanished(self, name: DeviceName) -> None:
        """A path is gone."""
        self._lanes.forget(name)
        self._forget(name)

    def changed(self, name: DeviceName, *, now: float) -> None:
        """sysfs or udev say something else of a path than before."""
        self._questions.choose_anew(name)
        known = self._known(name)
        if known is None:
            return
        path, memory = known
        if path.device_state in _RUNNING and memory.state in health.FAULTY:
            memory = health.suspect(memory, [Sign.RUNNING_AGAIN], now=now)
        self.remember(path, health.look_now(memory, now=now))

    def look_now(self, name: DeviceName, *, now: float) -> None:
        """Something happened to a path; what, only a check can tell."""
        known = self._known(name)
        if known is not None:
            self.remember(known[0], health.look_now(known[1], now=now))

    def suspected(self, name: DeviceName, signs: Iterable[Sign], *, now: float) -> None:
        """Something was seen after which a path may lead elsewhere."""
        known = self._known(name)
        if known is not None:
            self.remember(known[0], health.suspect(known[1], signs, now=now))

    def map_seen(self, live: Map, *, now: float) -> list[PathChange]:
        """The kernel may have stopped using paths of a map, which it does before any check finds out: which.

        Only a path that turns from active to failed tells that; one that is failed for a while is kept so on purpose.
        """
        failed = []
        for dev in self._used.stopped(live):
            name = self._world.name_of(dev)
            known = self._known(name) if name is not None else None
            if known is None or not known[1].state.usable or known[1].quarantined:
                continue
            path, memory = known
            if path.name not in self._decider.orders.failed_paths:
                after = health.kernel_failed(memory, self._caring.of(path), now=now)
                self.remember(path, after)
                failed.append(self._change(path, memory, after, first=False))
        if failed:
            whole = self._decider.memory
            self._decider.memory = replace(whole, maps=paths_failed(whole.maps, live.wwid, len(failed)))
        return [change for change in failed if change is not None]

    # ---- memories

    def memory(self, path: Path) -> PathMemory | None:
        """What is remembered of a path."""
        return self._decider.path_memory(path.dev)

    def _known(self, name: DeviceName) -> tuple[Path, PathMemory] | None:
        path = self._world.path(name)
        memory = self.memory(path) if path is not None else None
        return None if path is None or memory is None else (path, memory)

    def remember(self, path: Path, memory: PathMemory) -> None:
        """What is remembered of a path from now on."""
        before = self.memory(path)
        self._decider.remember_path(path.dev, memory)
        if memory.sampling:
            self.sampled.add(path.name)
        else:
            self.sampled.discard(path.name)
        if before is None or memory.due != before.due:
            self._agenda.plan(path.name, memory.due)

    def sampled_reads(self, name: DeviceName, *, reads: int, failed: int, now: float) -> None:
        """Reads of a path that is sampled are over."""
        known = self._known(name)
        if known is not None:
            path, memory = known
            care, alone = self._caring.of(path), self._caring.alone(path)
            self.remember(path, health.sampled(memory, care, reads=reads, failed=failed, alone=alone, now=now))

    def _forget(self, name: DeviceName) -> None:
        for names in (self.sampled, self._expecting, self._again, self._overtaken):
            names.discard(name)
        self._judge.forget(name)
        self._steady.forget(name)
        self._questions.forget(name)
        self._unsaid.pop(name, None)
        self._until.pop(name, None)
        dev = self._devs.pop(name, None)
        if dev is not None and self._world.name_of(dev) in (None, name):
            self._decider.remember_path(dev, None)
            self._used.forget(dev)

    @property
    def expecting(self) -> bool:
        """Whether a new path has not given its first answer."""
        return bool(self._expecting)

    @property
    def wake_at(self) -> float | None:
        """When the next check is due."""
        return self._agenda.wake_at

    def _due(self, name: DeviceName) -> float | None:
        known = self._known(name)
        return None if known is None else known[1].due

    # ---- asking

    def begin(self, now: float, *, most: int) -> list[Finished]:
        """Begin checks that are due, so many at most. What needs no device to be known is returned as finished."""
        done = []
        for name in islice(self._agenda.taken(now), most):
            path = self._world.path(name)
            found = self._guarded_check(path, now) if path is not None else None
            if found is not None:
                done.append(found)
        return done

    def _guarded_check(self, path: Path, now: float) -> Finished | None:
        """Begin a check. What nobody foresaw is its result, so that the path is asked again in its time."""
        try:
            return self._check(path, now)
        except Exception as error:  # noqa: BLE001 - a defect that one path meets must not stop the others
            memory = self.memory(path)
            epoch = memory.identity.epoch if memory is not None else 0
            asked = Asked(path.name, self._world.incarnation(path.name), epoch, path.health.checker)
            return Finished(key=path.name, token=asked, finding=error, seconds=0.0)

    def _check(self, path: Path, now: float) -> Finished | None:
        probe, memory = self._questions.probe(path), self.memory(path)
        if probe is None or memory is None or not self._wanted(path):
            self._expecting.discard(path.name)  # it was to be asked when it appeared, and is not any more
            return None
        name, busy = path.name, self._lanes.busy(path.name)
        if not busy and self._asked_once_more(path, memory, probe, now):
            return None
        introduces = self._questions.introduces(name)
        asked = Asked(name, self._world.incarnation(name), memory.identity.epoch, probe.checker, introduces)
        path = self._resampled(path)
        known = sysfs_health(self._host, path)
        if known is not None:
            if busy:
                self._overtaken.add(name)
            finding = Finding(path=replace(path, health=known), recollection=self._questions.recollection(name))
            return Finished(key=name, token=replace(asked, by_kernel=True), finding=finding, seconds=0.0)
        if busy:
            self._again.add(name)  # what happened may have come too late for the question that is out
            self.remember(path, replace(memory, due=now + self._caring.of(path).polling_interval))
            return None
        memory = replace(memory, due=now + probe.checker_timeout + _GRACE)
        self._ask(path, memory, with_answers(self._questions.dialogue(path, probe)), asked, now)
        return None

    def _ask(self, path: Path, memory: PathMemory, dialogue: Dialogue[Finding], token: object, now: float) -> None:
        """Begin a dialogue that must be over when the path is due again."""
        self._again.discard(path.name)
        self._overtaken.discard(path.name)
        self._until[path.name] = memory.due
        self.remember(path, memory)
        self._lanes.start(path.name, group_of(path), dialogue, now=now, deadline=memory.due, token=token)

    def _asked_once_more(self, path: Path, memory: PathMemory, probe: Probe, now: float) -> bool:
        """Ask as the last time, if nothing has happened since."""
        recollection = self._questions.recollection(path.name)
        again = self._steady.again(
            path, memory, probe, partial(self._questions.dialogue, path, probe), recollection=recollection
        )
        if again is None:
            self._steady.forget(path.name)
            return False
        memory = replace(memory, due=now + probe.checker_timeout + _GRACE)
        self._ask(path, memory, *again, now)
        self._steady.goes_on(path.name, memory)
        return True

    def _wanted(self, path: Path) -> bool:
        """Whether a path is to be asked again: it was not yet, or it is one of a map or may become one."""
        admission = self._decider.admissions.get(path.name)
        return path.name in self._expecting or admission is None or admission.verdict in _REGULAR

    def _resampled(self, path: Path) -> Path:
        """The path as sysfs has it now, as far as that changes by itself."""
        fresh = sysfs.resample(self._host, path)
        if self._world.resampled(fresh):
            self._unsaid.setdefault(path.name, path)
        return fresh

    # ---- answers

    @staticmethod
    def concerns(finished: Finished) -> bool:
        """Whether it is a check that finished."""
        return isinstance(finished.token, Asked)

    def take(self, finished: Finished, *, now: float) -> PathChange | None:
        """What a check brought; None: nothing that matters, or of a device that is gone."""
        asked = finished.token
        if not isinstance(asked, Asked):
            return None
        name = asked.name
        known = self._known(name)
        if known is None or self._world.incarnation(name) != asked.incarnation:
            return None
        path, memory = known
        if not asked.by_kernel and memory.due < self._until.pop(name, memory.due):
            self._again.add(name)  # something has happened to it, and no check of that was begun yet
        if not asked.by_kernel and name in self._overtaken:
            self._overtaken.discard(name)
            self.remember(path, health.look_now(memory, now=now))
            return None
        if self._found_the_same(finished.finding, path, memory, now):
            return None
        if isinstance(finished.finding, Exception) and not isinstance(finished.finding, OSError | MpathError):
            self.on_defect(f"the check of {name}", finished.finding)
        first = name in self._expecting
        self._expecting.discard(name)
        finding = finding_of(finished.finding, path, asked.checker)
        if isinstance(finished.finding, Finding):
            self._questions.answered(name, finding, introduced=asked.introduces and not asked.by_kernel)
        change = self._digest(path, memory, finding, asked, now, first=first)
        if name in self._again and not asked.by_kernel:
            self._again.discard(name)
            self.look_now(name, now=now)
        return change

    def _found_the_same(self, finding: object, path: Path, memory: PathMemory, now: float) -> bool:
        """Whether a check found what the last one did; then all that follows from it is when to ask again."""
        if path.name in self._again or not self._steady.found_the_same(finding, path, memory):
            return False
        if self._caring.accounts(path):
            return False
        memory = health.unchanged(memory, self._caring.of(path), now=now)
        self.remember(path, memory)
        self._steady.goes_on(path.name, memory)
        self._world.confirmed()
        return True

    def _keep_if_steady(self, path: Path, finding: Finding, asked: Asked, old: PathMemory, new: PathMemory) -> None:
        """Keep a check that changed nothing of its path but when it is asked next."""
        seen, probe = self._world.path(path.name), self._questions.probe(path)
        same = new.state.usable and replace(old, interval=new.interval, due=new.due) == new
        again = finding.asked and not asked.introduces and not self._caring.accounts(path)
        if same and again and seen is not None and probe is not None:
            self._steady.keep(seen, new, probe, finding, asked)
        else:
            self._steady.forget(path.name)

    def _digest(
        self, path: Path, memory: PathMemory, finding: Finding, asked: Asked, now: float, *, first: bool
    ) -> PathChange | None:
        told = finding.path
        self._world.answered(told, gaps=finding.gaps)
        signs = [sign for sense in finding.attentions if (sign := sign_of_sense(sense.key, sense.asc, sense.ascq))]
        if signs:
            memory = health.suspect(memory, signs, now=now)
        epoch = memory.identity.epoch if signs and finding.identity is Told.LATE else asked.epoch
        reading = self._judge.reading(told, epoch=epoch) if finding.identity is not Told.NOT else None
        after = health.advance(
            memory,
            told.health,
            self._caring.of(path),
            now=now,
            size=told.size,
            alone=self._caring.alone(path),
            reading=reading,
        )
        self.remember(path, after)
        self._keep_if_steady(path, finding, asked, memory, after)
        return self._change(self._unsaid.pop(path.name, path), memory, after, first=first)

    def _change(self, before: Path, old: PathMemory, new: PathMemory, *, first: bool) -> PathChange | None:
        after = self._world.path(before.name)
        if after is None:
            return None
        return change_of(before, old, after, new, of=self._decider.map_of(before.name), first=first)

    def settle(self, path: Path) -> Path | None:
        """A path with the state that counts; None: it was removed by command."""
        return seen(health.settled(path, self.memory(path)), self._decider.orders)


def _as_it_is(path: Path) -> Path:
    return path


_RUNNING = frozenset({"running", "live"})
