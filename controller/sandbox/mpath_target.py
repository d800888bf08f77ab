"""dm-multipath at work: which group and path serve a request, what a failure does, messages, table and status text.

In: requests, messages, suspend and resume. Out: requests to the devices below, events, texts as the kernel prints them.
Facts: drivers/md/dm-mpath.c of Linux 6.1; names of fields and methods are its names where it has them. What the kernel
does in work queues is done at once here.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from controller.sandbox.block import BlockDevice, Io, Result
from controller.sandbox.dm_table import QueueKind, Table, Target, TargetType, device_number
from controller.sandbox.errors import refusal
from controller.sandbox.mpath_table import GroupSpec, PathSpec, parse
from controller.sandbox.selectors import unsigned

NAME = "multipath"
VERSION = (1, 14, 0)


@dataclass(slots=True, eq=False)
class PgPath:
    """A path in a group."""

    spec: PathSpec
    group: "PriorityGroup"
    is_active: bool = True
    fail_count: int = 0

    @property
    def device(self) -> BlockDevice:
        """The device below."""
        return self.spec.device


@dataclass(slots=True, eq=False)
class PriorityGroup:
    """A priority group; `turn`: its usable paths, the next one first."""

    number: int
    spec: GroupSpec
    paths: list[PgPath] = field(default_factory=list)
    turn: list[PgPath] = field(default_factory=list)
    bypassed: bool = False

    def select(self) -> PgPath | None:
        """The path for the next request; it then goes to the end of the turn."""
        if not self.turn:
            return None
        self.turn.append(self.turn.pop(0))
        return self.turn[-1]


class MultipathTarget(Target):
    """A multipath target of a table."""

    def __init__(self, table: Table, start: int, length: int, params: str) -> None:
        super().__init__(table, start, length)
        self._spec = parse(params, table.take)
        self.kind = QueueKind.BIO if self._spec.bio_based else QueueKind.REQUEST
        self._groups = [_group(number, spec) for number, spec in enumerate(self._spec.groups, 1)]
        self._queue_if_no_path, self._saved_queue_if_no_path = self._spec.queue_if_no_path, False
        self._noflush = False
        self._queue_io, self._pg_init_required, self._pg_init_count = True, False, 0
        self._current_pg: PriorityGroup | None = None
        self._current_path: PgPath | None = None
        initial = self._spec.initial
        self._next_pg = self._groups[initial - 1] if 0 < initial <= len(self._groups) else None

    # ---- paths

    @property
    def paths(self) -> Iterator[PgPath]:
        """All paths, in table order."""
        return (path for group in self._groups for path in group.paths)

    @property
    def valid_paths(self) -> int:
        """How many are not failed."""
        return sum(path.is_active for path in self.paths)

    @property
    def queues(self) -> bool:
        """Whether requests wait when no path is left."""
        return self._queue_if_no_path

    def areas(self) -> Iterator[tuple[BlockDevice, int]]:
        """See `Target`: a path is used from its first sector."""
        return ((path.device, self.start) for path in self.paths)

    def _fail(self, path: PgPath) -> None:
        if not path.is_active:
            return
        path.is_active, path.fail_count = False, path.fail_count + 1
        path.group.turn.remove(path)
        if path is self._current_path:
            self._current_path = None
        self.table.owner.path_event("PATH_FAILED", path.device.dev, self.valid_paths)

    def _reinstate(self, path: PgPath) -> None:
        if path.is_active:
            return
        path.is_active = True
        path.group.turn.append(path)
        first = self.valid_paths == 1
        if first:
            self._current_path = None
        elif self._spec.handler and self._current_pg is path.group:
            self._activate(path)
        self.table.owner.path_event("PATH_REINSTATED", path.device.dev, self.valid_paths)
        if first:
            self.table.owner.run_queue()

    # ---- choosing

    def _switch(self, group: PriorityGroup) -> None:
        self._current_pg = group
        self._pg_init_required = self._queue_io = bool(self._spec.handler)
        self._pg_init_count = 0

    def _choose_in(self, group: PriorityGroup) -> PgPath | None:
        path = group.select()
        if path is not None and self._current_pg is not group:
            self._current_path = path
            self._switch(group)
        return path

    def _choose(self) -> PgPath | None:
        if self.valid_paths:
            following, self._next_pg = self._next_pg, None
            for group in (following, self._current_pg):
                if group is not None and (path := self._choose_in(group)) is not None:
                    return path
            for group in sorted(self._groups, key=lambda group: group.bypassed):
                if (path := self._choose_in(group)) is not None:
                    return path
        else:
            self._queue_io = False
        self._current_path = self._current_pg = None
        return None

    def _pg_init(self) -> None:
        """Have the device handler make the group's paths usable; paths that it can't are failed."""
        self._pg_init_count += 1
        self._pg_init_required = self._queue_io = False
        group = self._current_pg
        for path in [] if group is None else [path for path in group.paths if path.is_active]:
            self._activate(path)

    def _activate(self, path: PgPath) -> None:
        if path.device.activate():
            path.group.bypassed = False
            return
        if path is self._current_path:
            self._current_pg = None
        self._fail(path)

    # ---- requests

    def submit(self, io: Io) -> None:
        """See `Target`."""
        while True:
            path = self._current_path
            if path is None or not self._queue_io:
                path = self._choose()
            if path is None:
                self._no_path(io)
                return
            if not (self._queue_io or self._pg_init_required):
                break
            self._pg_init()
        self.table.owner.started(1)
        path.device.submit(Io(io.kind, lambda result: self._ended(io, path, result)))

    def _no_path(self, io: Io) -> None:
        if self._must_push_back():
            self.table.owner.hold(io)
        else:
            io.end(Result.PATH_ERROR)

    def _must_push_back(self) -> bool:
        return self._queue_if_no_path or (self._saved_queue_if_no_path and self._noflush)

    def _ended(self, io: Io, path: PgPath, result: Result) -> None:
        self.table.owner.started(-1)
        if result is not Result.PATH_ERROR:
            io.end(result)
            return
        self._fail(path)
        if self.valid_paths or self._must_push_back():
            self.table.owner.submit(io)
        else:
            io.end(result)

    # ---- suspend, resume

    def presuspend(self, *, noflush: bool) -> None:
        """See `Target`. A suspend that flushes can't end while requests wait, so they fail if no path is left."""
        self._noflush = noflush
        if self._spec.bio_based or not noflush:
            self._saved_queue_if_no_path = self._queue_if_no_path or self._saved_queue_if_no_path
            self._stop_queueing()

    def resume(self) -> None:
        """See `Target`: queueing is as it was before."""
        self._noflush = False
        if self._saved_queue_if_no_path:
            self._queue_if_no_path, self._saved_queue_if_no_path = True, False

    def _stop_queueing(self) -> None:
        self._queue_if_no_path = False
        self.table.owner.run_queue()

    # ---- messages

    def message(self, words: Sequence[str]) -> None:
        """See `Target`. The device must not be suspended (EBUSY), which its owner has looked at."""
        name = words[0].lower()
        groups = {"switch_group": self._switch_to, "disable_group": self._bypass, "enable_group": self._enable}
        paths = {"fail_path": self._fail, "reinstate_path": self._reinstate}
        if len(words) == 1 and name == "queue_if_no_path":
            self._queue_if_no_path = True
        elif len(words) == 1 and name == "fail_if_no_path":
            self._saved_queue_if_no_path = False
            self._stop_queueing()
        elif len(words) == 2 and name in groups:
            groups[name](self._numbered(words[1]))
            self.table.owner.event()
        elif len(words) == 2 and name in paths:
            self._path_message(words[1], paths[name])
        else:
            raise refusal(errno.EINVAL, f"unrecognised multipath message received: {' '.join(words)}")

    def _numbered(self, text: str) -> PriorityGroup:
        number = unsigned(text)
        if not 0 < number <= len(self._groups):
            raise refusal(errno.EINVAL, f"invalid PG number {text}")
        return self._groups[number - 1]

    def _path_message(self, text: str, action: Callable[[PgPath], None]) -> None:
        owner = self.table.owner
        device = owner.take_device(device_number(text), write=self.table.write)
        try:
            meant = [path for path in self.paths if path.device is device]
            if not meant:
                raise refusal(errno.EINVAL, f"{text} is not a path of this map")
            for path in meant:
                action(path)
        finally:
            owner.drop_device(device)

    def _switch_to(self, group: PriorityGroup) -> None:
        for each in self._groups:
            each.bypassed = False
        self._current_path = self._current_pg = None
        self._next_pg = group

    def _bypass(self, group: PriorityGroup) -> None:
        group.bypassed = True
        self._current_path = self._current_pg = None

    def _enable(self, group: PriorityGroup) -> None:
        group.bypassed = False
        self._current_path = self._current_pg = None

    # ---- texts

    def params(self) -> str:
        """See `Target`: with queueing and the handler as they are now, and a blank at the end."""
        spec, features = self._spec, []
        features += ["queue_if_no_path"] if self._queue_if_no_path else []
        features += ["pg_init_retries", str(spec.retries)] if spec.retries else []
        features += ["pg_init_delay_msecs", str(spec.delay)] if spec.delay is not None else []
        features += ["retain_attached_hw_handler"] if spec.retain_handler else []
        features += ["queue_mode", "bio"] if spec.bio_based else []
        words = [str(len(features)), *features, f"1 {spec.handler}" if spec.handler else "0", *self._counts()]
        for group in self._groups:
            words += [group.spec.selector, group.spec.texts.table, str(len(group.paths))]
            words.append(str(group.spec.type.table_words))
            words += [f"{path.device.dev} {path.spec.texts.table}" for path in group.paths]
        return " ".join(words) + " "

    def status(self) -> str:
        """See `Target`."""
        words = ["2", str(int(self._queue_io)), str(self._pg_init_count), "0", *self._counts()]
        for group in self._groups:
            words += [self._letter(group), group.spec.texts.status, str(len(group.paths))]
            words.append(str(group.spec.type.status_words))
            for path in group.paths:
                words += [path.device.dev, "A" if path.is_active else "F", str(path.fail_count)]
                words += [path.spec.texts.status] if path.spec.texts.status else []
        return " ".join(words) + " "

    def _counts(self) -> list[str]:
        shown = self._current_pg or self._next_pg
        number = shown.number if shown else int(bool(self._groups))
        return [str(len(self._groups)), str(number)]

    def _letter(self, group: PriorityGroup) -> str:
        if group.bypassed:
            return "D"
        return "A" if group is self._current_pg else "E"


def _group(number: int, spec: GroupSpec) -> PriorityGroup:
    group = PriorityGroup(number, spec)
    group.paths = [PgPath(path, group) for path in spec.paths]
    group.turn = list(group.paths)
    return group


MULTIPATH = TargetType(name=NAME, version=VERSION, build=MultipathTarget, singleton=True, immutable=True)
