"""Hears that files of the configuration, or the records of maps, were changed, by whomever and in whatever manner.

Theory of operation. Files are replaced rather than written: an editor or package manager renames another one over it,
Kubernetes swaps a symbolic link (`..data`) some directories away. So directories are watched, all in which a component
of the way to a file is looked up, and of their events those that are about such a component (`spots`). Directories that
do not exist yet are found by watching the one in which they would appear. After each change the ways are followed
anew, and another set of directories, or others under the same names, begins another watch.

The thread is started before memory is locked, and so is everything that it needs imported: `watch` loads nothing late
(`awatch` does, and so does leaving it to watchfiles whether to poll). It looks below /etc, where the disk may be dead,
so nobody waits for it. watchfiles runs a thread of its own for the kernel's events, whose stack the environment limits.

In: where the files are. Out: readiness to read, some time after the last of a burst of changes. What changed is for
whoever reads the files. It must never read a file, nor decide.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from watchfiles import Change, watch

from controller.runtime.cycle import Files
from controller.runtime.workers import STACK_SIZE, start_threads

QUIET = 0.5
"""Seconds without another change after which a burst of them is over."""

LONGEST_BURST = 3.0
"""Seconds after which it is told even if changes go on."""

RETRY = 10.0
"""Seconds until watching is tried again that was refused."""

_LINKS = 40
"""Symbolic links on one way, as many as the kernel follows."""

_RUST_STACK = "RUST_MIN_STACK"


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in a directory; empty: every name there."""

    directory: str
    name: str


def spots(files: Files) -> frozenset[Spot]:
    """All that can be changed for a file to become another one. Symbolic links are followed as they are now."""
    found: set[Spot] = set()
    for path in (files.config, *(f"{files.state_dir}/{name}" for name in ("bindings", "wwids", "prkeys"))):
        _follow(path, found)
    folder = _follow(files.config_dir, found)
    if folder is not None:
        found.add(Spot(folder, ""))
        for name in _names(folder):
            if name.endswith(".conf"):
                _follow(f"{folder}/{name}", found)
    parents = {Spot(*os.path.split(spot.directory)) for spot in found}
    return frozenset(found | {spot for spot in parents if spot.name and spot.directory != "/"})


def _follow(path: str, found: set[Spot]) -> str | None:
    """Where a path leads, every name that is looked up on the way being noted if it is a link, the last one, or not
    there; None: it leads nowhere."""
    parts, place, links = deque(path.split("/")), "", 0
    while parts:
        name = parts.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            place = os.path.dirname(place).rstrip("/")
            continue
        target, there = _link(f"{place}/{name}")
        if target is not None or not there or not parts:
            found.add(Spot(place or "/", name))
        if not there or links > _LINKS:
            return None
        if target is None:
            place = f"{place}/{name}"
            continue
        links += 1
        place = "" if target.startswith("/") else place
        parts.extendleft(reversed(target.split("/")))
    return place


def _link(path: str) -> tuple[str | None, bool]:
    """What a link says (None: it is none), and whether there is anything."""
    try:
        return os.readlink(path), True
    except OSError as error:
        return None, error.errno == errno.EINVAL


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def concerns(path: str, watched: frozenset[Spot]) -> bool:
    """Whether a change of this path may matter."""
    directory, name = os.path.split(path)
    if Spot(directory, name) in watched or Spot(directory, "") in watched:
        return True
    return any(spot.directory == path for spot in watched)


Identity = tuple[int, int]


def directories(watched: Iterable[Spot]) -> dict[str, Identity]:
    """The directories to watch that exist, each with which one it is: another one may come under the same name."""
    return dict(sorted(_existing({spot.directory for spot in watched})))


def _existing(paths: Iterable[str]) -> Iterator[tuple[str, Identity]]:
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)
            yield path, (status.st_dev, status.st_ino)


class ConfigWatch:
    """Watches from `start` until `close`. `quiet`, `longest`, `retry`: seconds, see above."""

    def __init__(
        self, files: Files, *, quiet: float = QUIET, longest: float = LONGEST_BURST, retry: float = RETRY
    ) -> None:  # fmt: skip
        self._files, self._quiet, self._longest, self._retry = files, quiet, longest, retry
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._end = threading.Event()
        self._troubles: deque[str] = deque()
        self._in_trouble = ""
        self._threads: tuple[threading.Thread, ...] = ()

    def start(self) -> None:
        """Begin. What was changed just before is told, too, as somebody may have read the files before that."""
        os.environ.setdefault(_RUST_STACK, str(STACK_SIZE))
        self._threads = start_threads(1, "config-watch", self._run)

    def fileno(self) -> int:
        """Readable when something changed, or watching is in trouble."""
        return self._bell

    def read(self) -> list[str]:
        """Take it back; why files can't be watched, if that is new."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        return [self._troubles.popleft() for _ in range(len(self._troubles))]

    def close(self) -> None:
        """End; the thread does within some time."""
        self._end.set()
        for thread in self._threads:
            thread.join(self._quiet * 4)
        if not any(thread.is_alive() for thread in self._threads):
            os.close(self._bell)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._watch()
                self._in_trouble = ""
            except Exception as error:  # noqa: BLE001 - watchfiles has errors of its own; the thread must outlive them
                self._tell(f"{type(error).__name__}: {error}")
                self._end.wait(self._retry)

    def _tell(self, trouble: str) -> None:
        if trouble != self._in_trouble:
            self._in_trouble = trouble
            self._troubles.append(trouble)
            self._ring()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)

    def _watch(self) -> None:
        """Until other directories have to be watched. The first turn comes without a change: what happened between
        following the ways and watching is not to be missed."""
        watched = spots(self._files)
        places = directories(watched)
        step = int(self._quiet * 1000)

        def matters(_change: Change, path: str) -> bool:
            return concerns(path, watched)

        news = watch(
            *places, watch_filter=matters, debounce=int(self._longest * 1000), step=step, rust_timeout=4 * step,
            yield_on_timeout=True, stop_event=self._end, recursive=False, raise_interrupt=False, force_polling=False,
        )  # fmt: skip
        first = True
        for changes in news:
            if not changes and not first:
                continue
            first = False
            self._ring()
            watched = spots(self._files)
            if directories(watched) != places:
                return
