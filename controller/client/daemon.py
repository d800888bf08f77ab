"""The daemon's operations as typed methods: list and change paths and maps.

In: names of paths (`sda`, `8:0`) and maps (alias, WWID, `dm-3`). Out: values, or one of `errors`. Works with our daemon
and with multipathd alike, so it says nothing but what both understand. Every method is one command; none is ever
repeated, for what timed out may have been done.

    with MultipathDaemon() as daemon:
        for path in daemon.list_paths():
            print(path.device, path.checker_state)
        daemon.fail_path("sdc")
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from controller.client import wire
from controller.client.channel import DEFAULT_TIMEOUT, Channel, socket_names
from controller.client.errors import BadName, NotUnderstood, Refused

_SEPARATOR = "\t"  # no value that the daemon prints has one
_PATH_COLUMNS = ("%d", "%D", "%o", "%T", "%t", "%p", "%m", "%w")
_MAP_COLUMNS = ("%d", "%n", "%w")
UNKNOWN = -1
"""Stands for a number that the daemon does not know."""
_MOST_DIGITS = 20
"""Of a number of 64 bits."""
_LISTS_NOTHING = "ok\n"
"""What the daemon answers instead of an empty list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEntry:
    """A path that the daemon knows.

    `status`: the device's own state (`running`, `offline`, `unknown` without a map). `checker_state` and `dm_state` as
    in `show paths`. `map`: its map's name, or `[orphan]` and the like. What the daemon has no number for (`n/a` for the
    priority of an NVMe path without ANA, `#:#` for the number of a device that is gone) is -1.
    """

    device: str
    major: int
    minor: int
    status: str
    checker_state: str
    dm_state: str
    priority: int
    map: str
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEntry:
    """A map: its device node's name (`dm-3`), its alias, and its WWID."""

    device: str
    name: str
    uuid: str


class Done(StrEnum):
    """How far the daemon got with what it was asked to do."""

    DONE = "ok"
    DELAYED = "delayed"
    """It will be done when the map's creation is finished."""
    REMOVED_WITHOUT_RELOAD = "map reload error. removed"
    """The daemon forgot the path, but the map could not be reloaded without it."""


class MultipathDaemon:
    """A connection to the daemon that listens on `socket_name`; None: on the usual one.

    `socket_name` is a path, or an abstract name after `@`. `timeout`: in seconds, without a sign of the daemon;
    None: wait for ever.
    """

    def __init__(self, socket_name: str | None = None, *, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        names = socket_names(os.environ) if socket_name is None else (socket_name,)
        self._channel = Channel(names, timeout=timeout)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, command: str) -> str:
        """The reply to any command, in the daemon's words. `Refused`: it said no."""
        reply = self._channel.ask(command)
        if reply.startswith(wire.FAILED):
            raise Refused(reply.removeprefix(wire.FAILED).strip())
        return reply

    # ---- lists

    def list_paths(self) -> tuple[PathEntry, ...]:
        """All paths."""
        return tuple(_path(row) for row in self._rows("paths", _PATH_COLUMNS))

    def list_maps(self) -> tuple[MapEntry, ...]:
        """All maps."""
        return tuple(MapEntry(device=d, name=n, uuid=w) for d, n, w in self._rows("maps", _MAP_COLUMNS))

    def _rows(self, what: str, columns: Sequence[str]) -> list[list[str]]:
        """The lines that are rows. One that is none, since a device has a line's end in its name, costs no other."""
        reply = self.ask(f'show {what} raw format "{_SEPARATOR.join(columns)}"')
        if reply == _LISTS_NOTHING:
            return []
        lines = [line.split(_SEPARATOR, len(columns) - 1) for line in reply.split("\n") if line]
        rows = [line for line in lines if len(line) == len(columns)]
        if lines and not rows:
            raise NotUnderstood(f"the daemon lists {what} with {len(lines[0])} columns of {len(columns)}")
        return rows

    # ---- the whole

    def reconfigure(self, *, everything: bool = False) -> None:
        """Read the configuration again and change the maps that it changes; `everything`: reload all maps."""
        self._do("reconfigure all" if everything else "reconfigure")

    def disable_queueing(self) -> None:
        """Let I/O fail, on all maps, when no path is left."""
        self._do("disablequeueing maps")

    def restore_queueing(self) -> None:
        """Queue I/O again, on all maps, as it is configured."""
        self._do("restorequeueing maps")

    # ---- paths

    def add_path(self, name: str) -> Done:
        """Have the daemon look after a device. `Refused`: it is blacklisted, or there is none."""
        return self._do(f"add path {_quoted(name)}")

    def remove_path(self, name: str) -> Done:
        """Take a path out of its map, and forget it."""
        return self._do(f"remove path {_quoted(name)}")

    def fail_path(self, name: str) -> None:
        """Send no I/O down a path until it is reinstated."""
        self._do(f"fail path {_quoted(name)}")

    def reinstate_path(self, name: str) -> None:
        """Use a path again."""
        self._do(f"reinstate path {_quoted(name)}")

    # ---- maps

    def add_map(self, name: str) -> None:
        """Create the map of an alias or WWID from the paths that are known."""
        self._do(f"add map {_quoted(name)}")

    def remove_map(self, name: str) -> None:
        """Remove a map that nobody uses."""
        self._do(f"remove map {_quoted(name)}")

    def suspend_map(self, name: str) -> None:
        """Hold back all I/O of a map, until it is resumed."""
        self._do(f"suspend map {_quoted(name)}")

    def resume_map(self, name: str) -> None:
        """Let a suspended map go on."""
        self._do(f"resume map {_quoted(name)}")

    def resize_map(self, name: str) -> None:
        """Give a map the size that its paths have now."""
        self._do(f"resize map {_quoted(name)}")

    def reset_map(self, name: str) -> None:
        """Put the tables of devices that stand on a map's paths onto the map instead."""
        self._do(f"reset map {_quoted(name)}")

    def reload_map(self, name: str) -> None:
        """Load a map's table again."""
        self._do(f"reload map {_quoted(name)}")

    def disable_map_queueing(self, name: str) -> None:
        """Let I/O of one map fail when no path is left."""
        self._do(f"disablequeueing map {_quoted(name)}")

    def restore_map_queueing(self, name: str) -> None:
        """Queue I/O of one map again, as it is configured."""
        self._do(f"restorequeueing map {_quoted(name)}")

    def _do(self, command: str) -> Done:
        text = self.ask(command).strip()
        try:
            return Done(text)
        except ValueError:
            raise Refused(text) from None


def _quoted(name: str) -> str:
    """A name as one word of a command."""
    if not name or not name.isprintable() or '"' in name:
        raise BadName(f"{name!r} can't be the name of a path or map in a command")
    return f'"{name}"'


def _path(row: list[str]) -> PathEntry:
    device, number, status, checker, dm, priority, map_name, uuid = row
    major, _, minor = number.partition(":")
    return PathEntry(
        device=device, major=_number(major), minor=_number(minor), status=status, checker_state=checker, dm_state=dm,
        priority=_number(priority), map=map_name, uuid=uuid,
    )  # fmt: skip


def _number(text: str) -> int:
    """A number of the kernel's; -1 where there is a word instead, whichever it is."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else UNKNOWN
