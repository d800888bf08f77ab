"""What clients say of persistent reservations: mpathpersist tells the daemon what it did, so that paths that come back
are registered as the others are.

Theory of operation. A key that is kept in the file of keys is written by a worker, which gives back the files' texts,
and is in force with the decision that follows. Whether a key is registered and a reservation held is remembered
(`reconcile.reservation_memory`); the registering of paths is then planned like any other step. Most replies are given
when nothing is left to do for the map.

In: requests. Out: replies. It must never wait, nor send a command to a device itself.
"""

import errno
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from actuators.records import write_bindings
from actuators.steps import Lost, Outcome, Refused, WriteKeys
from controller.protocol import requests
from controller.protocol.requests import Result
from controller.reconcile import reservation_memory
from controller.reconcile.reservation_memory import Reservation, Status
from controller.reconcile.reservations import epochs_of, with_reservation
from controller.reconcile.waiting import MapMemory
from controller.runtime.cycle import Files
from controller.runtime.deciding import Decider
from controller.runtime.executor import Executor
from controller.runtime.jobs import RECORDS
from controller.runtime.lanes import Finished
from controller.runtime.pending import Reply
from controller.runtime.reconciler import Reconciler
from controller.runtime.world import World
from desired.reservations import rewritten
from desired.values import ReservationKey
from observers import config_files
from observers.config_files import Places, Texts
from observers.dmtable import DevT
from observers.host import Host
from observers.snapshot import Map, Wwid, map_uuid

FILE = "prkeys"
_TRIES = 3
"""How often the file is looked at again that somebody changed between reading and writing it."""


_NOT_TRIED: Outcome = Lost("it was not tried")


@dataclass(frozen=True, slots=True)
class Written:
    """What a worker brings back: what came of it, and the texts of all files as they are now."""

    outcome: Outcome
    texts: Texts


def write_key(host: Host, places: Places, wwid: Wwid, key: ReservationKey | None) -> Written:
    """Have a key in the file of keys, or none; a call for a worker."""
    file, outcome = f"{places.state}/{FILE}", _NOT_TRIED
    for _ in range(_TRIES):
        seen = config_files.observe(host, places).prkeys
        old = seen.text if seen is not None else None
        outcome = write_bindings(host, WriteKeys(file=file, text=rewritten(old, wwid, key), expected=old))
        if not isinstance(outcome, Lost):
            break
    return Written(outcome, config_files.observe(host, places))


class Reserving:
    """Answers for all maps."""

    def __init__(
        self, host: Host, files: Files, *, world: World, decider: Decider, reconciler: Reconciler, executor: Executor
    ) -> None:
        self._host, self._world, self._decider = host, world, decider
        self._reconciler, self._executor = reconciler, executor
        self._places = Places(files.config, files.config_dir, files.state_dir)
        self._jobs = 0

    def execute(self, request: requests.Request, reply: Reply) -> bool:
        """Begin a request. False: it is none of these."""
        live = self._world.maps.get(map_uuid(request.map)) if isinstance(request, requests.MapRequest) else None
        if live is None:
            return False
        wwid = live.wwid
        match request:
            case requests.SetReserved(paths=paths):
                self._executor.when_free(wwid, lambda: self._set(wwid, paths, reply))
            case requests.UnsetReserved():
                self._executor.when_free(wwid, lambda: self._unset(wwid, reply))
            case requests.SetHeld(held=held):
                status = Status.SET if held else Status.UNSET
                self._remember(wwid, reservation_memory.held(self._known(wwid), status))
                reply(Result.DONE)
            case requests.SetKey(key=key, aptpl=aptpl):
                self._write(live, ReservationKey(key, aptpl), reply)
            case requests.UnsetKey():
                self._write(live, None, reply)
            case _:
                return False
        return True

    # ---- what is remembered

    def _known(self, wwid: Wwid) -> Reservation:
        return self._decider.memory.maps.get(wwid, MapMemory()).reservation

    def _remember(self, wwid: Wwid, reservation: Reservation) -> None:
        self._decider.memory = with_reservation(self._decider.memory, wwid, reservation)

    def _key(self, wwid: Wwid) -> int:
        """The key that is in force for a map; 0: none."""
        wanted = self._decider.wanted.get(wwid)
        key = wanted.reservation_key if wanted is not None else None
        return key.key or 0 if key is not None else 0

    def _devices(self, wwid: Wwid, listed: Collection[str] | None = None) -> frozenset[DevT]:
        """The paths of a map. `listed`: of them those with these numbers or names; mpathpersist gives one by name."""
        paths = [path for name in self._decider.names_of(wwid) if (path := self._world.path(name)) is not None]
        return frozenset(path.dev for path in paths if listed is None or {path.dev, path.name} & set(listed))

    # ---- whether it is registered

    def _set(self, wwid: Wwid, listed: tuple[str, ...] | None, reply: Reply) -> None:
        """Without a key there is nothing that could be registered; whoever asks sees that by `getprstatus`."""
        known = self._known(wwid)
        if self._key(wwid):
            claimed = self._devices(wwid, listed or ())
            self._remember(wwid, reservation_memory.registered(known, claimed=claimed))
        else:
            self._remember(wwid, replace(known, former=0))
        self._decided(wwid, lambda: Result.DONE, reply)

    def _unset(self, wwid: Wwid, reply: Reply) -> None:
        known = self._known(wwid)
        if known.status is not Status.UNSET:
            epochs = epochs_of(self._decider.memory, self._devices(wwid))
            self._remember(wwid, reservation_memory.unregistered(known, epochs))
        reply(Result.DONE)

    def _decided(self, wwid: Wwid, text: Callable[[], str], reply: Reply) -> None:
        self._reconciler.decide_on([wwid], now=self._host.monotonic())
        chosen = frozenset([wwid])
        self._executor.pending.when(lambda: text() if self._reconciler.at_rest(chosen) else None, reply)

    # ---- the key

    def _write(self, live: Map, key: ReservationKey | None, reply: Reply) -> None:
        """Have a worker write it. A reply of failure: it could not be written, or another key stays in force."""
        self._jobs += 1
        wwid, new = live.wwid, (key.key or 0) if key is not None else 0
        deed = (
            f"record the reservation key {key} of {live.name}" if key else f"forget the reservation key of {live.name}"
        )
        report = self._executor.reporter(deed, live)

        def then(finished: Finished) -> None:
            found = finished.finding
            outcome = found.outcome if isinstance(found, Written) else Refused(errno.EIO, str(found))
            report(outcome)
            if isinstance(found, Written):
                self._reconciler.recorded(found.texts, now=self._host.monotonic())
            if isinstance(outcome, Refused | Lost):
                reply(Result.FAILED)
                return
            old = self._key(wwid)
            if old != new:
                self._remember(wwid, reservation_memory.changed_key(self._known(wwid), old, new))
            self._decided(wwid, lambda: Result.DONE if self._key(wwid) == new else Result.FAILED, reply)

        call = f"reservation key {self._jobs}"
        places, host = self._places, self._host
        self._executor.call(call, lambda: write_key(host, places, wwid, key), then, limit=math.inf, group=RECORDS)
