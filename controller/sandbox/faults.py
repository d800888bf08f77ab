"""Faults on demand: calls that fail, attributes that can't be read, devices that vanish, a process that is killed.

In: what shall go wrong, and each call before it is made. Out: an `OSError` or `Killed` in place of that call. Nothing
goes wrong by chance: a fault strikes the calls it was made for, that often, and is then used up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from controller.sandbox.errors import Killed, refusal


@dataclass(slots=True)
class _Fault:
    """`left`: how many calls it still strikes."""

    strikes: Callable[[str, str], bool]
    error: int
    left: int


class Faults:
    """The faults of a sandbox."""

    def __init__(self) -> None:
        self._ioctls: list[_Fault] = []
        self._reads: list[_Fault] = []
        self._changes: list[_Fault] = []
        self._vanishing: list[tuple[str, Callable[[], None]]] = []
        self._kill_before = self._kill_after = 0

    def fail_ioctl(self, kind: str, error: int, *, count: int = 1, map: str = "") -> None:  # noqa: A002
        """The next `count` device-mapper ioctls of a kind (`DM_DEV_SUSPEND`) fail; `map`: only those on that map."""
        name = kind if kind.startswith("DM_") else f"DM_{kind}"
        self._ioctls.append(_Fault(lambda command, on: command == name and map in ("", on), error, count))

    def fail_read(self, path: str, error: int, *, count: int = 1) -> None:
        """The next `count` reads of a file, by the path it is asked for or its real one, fail."""
        self._reads.append(_Fault(lambda asked, real: path in (asked, real), error, count))

    def fail_change(self, path: str, error: int, *, count: int = 1) -> None:
        """The next `count` writes to an attribute, or attempts to make, replace or remove a file, of this path fail."""
        self._changes.append(_Fault(lambda changed, _: changed == path, error, count))

    def vanish_after_listing(self, directory: str, vanish: Callable[[], None]) -> None:
        """Do something (delete a disk) just after the next listing of a directory."""
        self._vanishing.append((directory, vanish))

    def clear(self) -> None:
        """From now on nothing fails."""
        for faults in (self._ioctls, self._reads, self._changes):
            faults.clear()

    def kill_at(self, call: int, *, done: bool = False) -> None:
        """Kill the process at its `call`-th writing call from now: before it, or (`done`) when it has been done."""
        self._kill_before, self._kill_after = (0, call) if done else (call, 0)

    # ---- asked by the host

    def before_ioctl(self, command: str, on: str) -> None:
        """An ioctl is about to be made on a map (its name)."""
        _strike(self._ioctls, command, on)

    def before_read(self, asked: str, real: str) -> None:
        """A file is about to be read."""
        _strike(self._reads, asked, real)

    def before_change(self, path: str) -> None:
        """An attribute is about to be written, or a file to be made, replaced or removed."""
        _strike(self._changes, path, path)

    def after_listing(self, directory: str) -> None:
        """A directory has been listed."""
        due = [vanish for listed, vanish in self._vanishing if listed == directory]
        self._vanishing = [(listed, vanish) for listed, vanish in self._vanishing if listed != directory]
        for vanish in due:
            vanish()

    def before_write(self) -> None:
        """A writing call is about to be made."""
        self._kill_before, now = _counted(self._kill_before)
        if now:
            raise Killed

    def after_write(self) -> None:
        """A writing call has been made."""
        self._kill_after, now = _counted(self._kill_after)
        if now:
            raise Killed


def _strike(faults: list[_Fault], what: str, where: str) -> None:
    for fault in faults:
        if fault.left and fault.strikes(what, where):
            fault.left -= 1
            raise refusal(fault.error, where or what)


def _counted(left: int) -> tuple[int, bool]:
    """How many calls are left, and whether this was the last."""
    return max(0, left - 1), left == 1
