"""Reading the configuration again because somebody asked for it.

In: that wish. Out: a configuration that can be used, handed on to be put in force; or why it can't be, told. A worker
reads and parses. It must never wait, nor touch the configuration in force.
"""

from dataclasses import dataclass
from typing import Protocol

from controller.runtime import configuring
from controller.runtime.configuring import Understood
from controller.runtime.cycle import Files
from controller.runtime.events import Kind, Level
from controller.runtime.executor import Executor
from controller.runtime.lanes import Finished
from controller.runtime.starting import Starting
from controller.runtime.telling import Teller
from controller.runtime.world import World
from observers.errors import ConfigError, InputError
from observers.host import Host

READ_LIMIT = 30.0
"""Seconds after which the reading of the configuration is told to be late."""


@dataclass(slots=True)
class _Reload:
    """A reading that is under way. `again`: somebody asked for another one meanwhile."""

    everything: bool
    again: bool = False


class PutInForce(Protocol):
    """What is done with a configuration that can be used."""

    def __call__(self, found: Understood, /, *, everything: bool) -> None:
        """`everything`: every map is to be loaded again, whether or not it differs."""


class Rereading:
    """Of one service."""

    def __init__(
        self, host: Host, files: Files, *, world: World, executor: Executor, teller: Teller, starting: Starting,
        put_in_force: PutInForce,
    ) -> None:  # fmt: skip
        self._host, self._files, self._world = host, files, world
        self._executor, self._teller, self._starting = executor, teller, starting
        self._put_in_force = put_in_force
        self._reload: _Reload | None = None
        self._count = 0
        """Each has a lane of its own: one that hangs on a dead disk keeps no later one from succeeding."""

    @property
    def under_way(self) -> bool:
        """Whether the configuration is being read."""
        return self._reload is not None

    def begin(self, *, everything: bool) -> None:
        """Read, now or once more when the reading that is under way is over."""
        if self._reload is not None:
            self._reload.again = True
            self._reload.everything = self._reload.everything or everything
            return
        self._reload = _Reload(everything)
        self._count += 1
        self._starting.reloading(at=self._host.monotonic())
        call = configuring.understander(self._host, self._files, self._world.facts)
        self._executor.call(
            f"configuration {self._count}", call, self._was_read, limit=READ_LIMIT, group="configuration"
        )  # fmt: skip

    def _was_read(self, finished: Finished) -> None:
        reload_, self._reload = self._reload, None
        found = finished.finding
        if isinstance(found, Understood):
            self._tell_messages(found)
            self._put_in_force(found, everything=bool(reload_ and reload_.everything))
            self._teller.say(Level.NOTICE, Kind.CONFIGURATION, "read again and in force")
        elif isinstance(found, ConfigError | InputError):
            text = f"{found}; the configuration in force stays"
            self._teller.say(Level.ERROR, Kind.CONFIGURATION, text, reason=found.hint)
        else:
            self._teller.say(Level.ERROR, Kind.CONFIGURATION, f"the configuration could not be read: {found}")
        self._starting.reloaded()
        if reload_ is not None and reload_.again:  # what this one should have loaded and could not, the next one does
            self.begin(everything=reload_.everything and not isinstance(found, Understood))

    def _tell_messages(self, found: Understood) -> None:
        for message in found.config.messages:
            place = f"{message.file}:{message.line}" if message.line else message.file
            self._teller.say(Level.WARNING, Kind.CONFIGURATION, f"{place}: {message.text}")
