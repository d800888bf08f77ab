"""What changed on disk of the configuration, and what it would do: told when it happens, put in force when asked for.

Theory of operation. As with multipathd a changed file changes nothing until somebody says `reconfigure`; but whoever
changed it learns at once what that would do, or that it can't be used. A worker reads the files, parses them, and
decides for the present snapshot twice, with the configuration in force and with the other one; what differs is told.
The bindings and wwids files, which `multipath` changes too, are taken over at once: they are records, not wishes.

In: word that something may have changed. Out: events; the records to the reconciler; a call of `reconfigure` if changes
are to be put in force at once. It must never put a configuration in force itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from controller.reconcile.explain import step_text
from controller.reconcile.orders import Orders
from controller.reconcile.plan import Memory
from controller.reconcile.preview import Fate, MapPreview, Preview, Side, ValueChange, compare
from controller.runtime import configuring
from controller.runtime.configuring import Read
from controller.runtime.cycle import Files
from controller.runtime.deciding import decide
from controller.runtime.events import Kind, Level
from controller.runtime.lanes import Finished
from controller.runtime.rereading import READ_LIMIT
from controller.runtime.service import Service
from controller.runtime.sources import Source
from desired.config import Config
from desired.model import ConfigMessage
from observers.errors import MpathError
from observers.host import ReadHost
from observers.snapshot import Snapshot, TextFile

_GROUP = "configuration news"
_NAMES = 8
"""Names in one line; the others are counted."""
_MESSAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What was read, and what it would do: `error`, it can't be used; neither: it is what is in force."""

    read: Read
    preview: Preview | None = None
    error: MpathError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is in force, and on which host."""

    config: Config
    snapshot: Snapshot
    memory: Memory
    orders: Orders
    now: float


def foresee(host: ReadHost, files: Files, present: Present) -> Foreseen:
    """Read the files and see what they would do; a call for a worker."""
    read = configuring.reader(host, files)()
    if read.texts.configuration == present.snapshot.config_files and not read.texts.gaps:
        return Foreseen(read=read)
    try:
        config = configuring.loaded(read, files, present.snapshot.host)
        candidate = replace(present.snapshot, config_files=read.texts.configuration, accounts=read.accounts)
        after = _side(present, config, candidate)
    except MpathError as error:
        return Foreseen(read=read, error=error)
    before = _side(present, present.config, present.snapshot)
    return Foreseen(read=read, preview=compare(present.snapshot, before, after))


def _side(present: Present, config: Config, snapshot: Snapshot) -> Side:
    decision, _ = decide(config, snapshot, present.memory, present.now, orders=present.orders)
    return Side(
        file=snapshot.main_config, config=config, desired=decision.desired, plan=decision.plan,
        findings=decision.findings,
    )  # fmt: skip


class ConfigNews:
    """Tells. `apply`: whether changes that can be used are put in force at once."""

    def __init__(self, service: Service, host: ReadHost, files: Files, *, apply: bool) -> None:
        self._service, self._host, self._files, self._apply = service, host, files, apply
        self._reading = self._again = False
        self._count = 0
        self._told: tuple[TextFile, ...] | None = None

    def listen(self, watch: Source) -> None:
        """Hear of changes from now on."""
        self._service.loop.listen(watch, lambda _: self._heard(watch.read()))

    def _heard(self, troubles: Iterable[str]) -> None:
        for trouble in troubles:
            text = f"changes of the configuration can't be seen: {trouble}"
            self._say(Level.WARNING, text, "it is read at `reconfigure` all the same")
        self.look()

    def look(self) -> None:
        """Something may have changed."""
        if self._reading:
            self._again = True
            return
        self._reading, self._again = True, False
        self._count += 1
        self._service.executor.call(
            f"{_GROUP} {self._count}", self._call(), self._foreseen, limit=READ_LIMIT, group=_GROUP
        )  # fmt: skip

    def _call(self) -> Callable[[], Foreseen]:
        decider = self._service.decider
        snapshot = self._service.world.snapshot(decider.settle)
        present = Present(
            config=decider.config, snapshot=snapshot, memory=decider.memory, orders=decider.orders,
            now=self._service.clock(),
        )  # fmt: skip
        return lambda: foresee(self._host, self._files, present)

    def _foreseen(self, finished: Finished) -> None:
        self._reading = False
        found = finished.finding
        if isinstance(found, Foreseen):
            self._service.reconciler.recorded(found.read.texts, now=self._service.clock())
            self._tell(found)
        else:
            self._say(Level.WARNING, f"the configuration on disk can't be read: {type(found).__name__}")
        if self._again:
            self.look()

    # ---- telling

    def _say(self, level: Level, text: str, reason: str = "", *, map_: str = "", wwid: str = "") -> None:
        self._service.teller.say(level, Kind.CONFIGURATION, text, reason=reason, map_=map_, wwid=wwid)

    def _tell(self, found: Foreseen) -> None:
        before, self._told = self._told, found.read.texts.configuration
        if found.preview is None and found.error is None:
            if before not in (None, self._told):
                self._say(Level.NOTICE, "the configuration on disk is the one in force again")
            return
        if before == self._told:
            return
        if found.error is not None:
            self._say(
                Level.WARNING, f"configuration changed on disk, and can't be used: {found.error}", found.error.hint
            )
        elif found.preview is not None:
            self._tell_preview(found.preview)

    def _tell_preview(self, preview: Preview) -> None:
        how = "it is put in force" if self._apply else "`reconfigure` puts it in force"
        self._say(Level.NOTICE, f"configuration changed on disk: {summary(preview)}", how)
        for message in preview.messages[:_MESSAGES]:
            self._say(Level.WARNING, _message(message), message.hint)
        for each in preview.changed:
            text, reason = would_change(each)
            self._say(Level.INFO, text, reason, map_=each.name, wwid=each.wwid)
        if self._apply:
            self._service.reconfigure()


def summary(preview: Preview) -> str:
    """How much would change, in one line."""
    names = [each.name for each in preview.changed]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    parts = [f"{_number(len(names), 'map')} would change: {', '.join(names[:_NAMES])}{more}"] if names else []
    if preview.disks:
        parts.append(f"{_number(len(preview.disks), 'disk')} would be judged otherwise")
    if preview.settings:
        parts.append(f"settings of the daemon: {', '.join(map(_value, preview.settings))}")
    return "; ".join(parts) or "no map would change"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def would_change(preview: MapPreview) -> tuple[str, str]:
    """What would become of a map, and why."""
    fates = {Fate.ADDED: "would be wanted", Fate.DROPPED: "would be wanted no more", Fate.STAYS: "would change"}
    steps = "; ".join(map(step_text, preview.caused)) or "nothing to do at once"
    values = [_value(each) for each in preview.values if each.differs]
    return f"{fates[preview.fate]}: {steps}", "; ".join([*values, *preview.reasons])


def _value(change: ValueChange) -> str:
    old, new = (end.value if end is not None else "none" for end in (change.old, change.new))
    return f"{change.keyword} {old} -> {new}"


def _message(message: ConfigMessage) -> str:
    place = ":".join([message.file, *(str(number) for number in (message.line, message.column) if number)])
    return f"{place}: {message.text}"
