"""The host of the recorded dialogue as a `State`, with the variations that it went through.

The reference ran on a faked kernel: all groups are enabled, features are in the kernel's order, no map is open.
"""

import json
from dataclasses import replace
from typing import Any

from controller.protocol.state import Action, Counters, DaemonLine, MapLine, PathLine, State
from desired.config import load_config
from desired.derive import derive
from observers.dmtable import DevT, GroupState, MultipathStatus
from observers.snapshot import (
    Alias,
    Attribute,
    DeviceName,
    DmDevice,
    DmUuid,
    Health,
    Map,
    Path,
    PathState,
    Snapshot,
    TextFile,
    Wwid,
)
from tests.builders import made_map
from tests.oracle.scenario_reader import CONFIG, HOST, path_of
from tests.oracle.spec import spec_json, spec_path

NETAPP, ACME = Wwid("3600a098038303053453f463045727654"), Wwid("36001405aabbccddeeff0011223344556")

PID = 31600
NOW = 1000.0

_CHECKS = {"sda": (6, 8), "sdb": (6, 8), "sdc": (6, 8), "sdd": (6, 8), "sde": (8, 8), "sdf": (2, 2), "sdg": (0, 0)}
"""Ticks to the next check, and the interval, when the tables were printed."""


def recorded_state() -> State:
    """The host as it was for the replies of `cli-show.json`."""
    spec = json.loads(spec_path("cli", "devices.json").read_text())
    paths = [_path(each, spec["rtpg"]) for each in spec["paths"]]
    bare = Snapshot(
        taken_at=0.0,
        host=HOST,
        config_files=(TextFile(CONFIG, spec_path("cli", "multipath.conf").read_text()),),
        paths=tuple(paths),
        other_devices=tuple(DmDevice(Alias(f"other{n}"), DmUuid(""), DevT(f"253:{n}")) for n in range(2, 8)),
    )
    config = load_config(bare.config_files)
    desired = derive(config, bare, resident=True)
    maps = tuple(_as_recorded(made_map(each, minor), paths) for minor, each in enumerate(desired.maps))
    return State(
        snapshot=replace(bare, maps=maps),
        desired=desired,
        config=config,
        daemon=DaemonLine(pid=PID),
        now=NOW,
        observed_at=NOW,
        paths={path.name: _line(path) for path in paths},
        maps={each.wwid: _map_line() for each in maps},
    )


def _map_line() -> MapLine:
    return MapLine(action=Action.CREATE, counters=Counters(loads=1))


def _path(device: dict[str, Any], rtpg: dict[str, Any]) -> Path:
    path = path_of(device, rtpg)
    path = replace(path, tunables=(Attribute(f"{path.sysfs}/queue/max_sectors_kb", "512"),))
    host = device["hctl"][0]
    if device["dev"] == "sdg":
        path = replace(path, health=Health("tur", PathState.UNCHECKED))
    if device.get("transport") != "fc":
        return path
    return replace(
        path,
        host_node_name=f"0x20000000c90000{host:02x}",
        host_port_name=f"0x10000000c90000{host:02x}",
        target_port_name=f"0x{device['tgt_wwpn']}",
    )


def _line(path: Path) -> PathLine:
    tick, interval = _CHECKS[path.name]
    return PathLine(
        priority={"sda": 50, "sdc": 50, "sdb": 10, "sdd": 10}.get(path.name, 1),
        checker="" if path.name == "sdg" else "tur",
        check_due=NOW + tick,
        check_interval=interval,
    )


def _as_recorded(live: Map, paths: list[Path]) -> Map:
    """The map as the faked kernel showed it."""
    assert live.table is not None
    assert live.status is not None
    words = [word for word in live.table.features if word != "queue_if_no_path"]
    table = replace(live.table, features=("queue_if_no_path", *words))
    down = {path.dev for path in paths if not path.health.state.usable}
    number = live.dev.partition(":")[2]
    return replace(
        live, dev=DevT(f"253:{number}"), table=table, status=_status(live.status, down), max_sectors_kb=512
    )  # fmt: skip


def _status(status: MultipathStatus, failed: set[DevT]) -> MultipathStatus:
    groups = tuple(
        replace(
            group,
            state=GroupState.ENABLED,
            paths=tuple(
                replace(path, active=path.dev not in failed, fail_count=int(path.dev in failed)) for path in group.paths
            ),
        )
        for group in status.groups
    )
    return replace(status, groups=groups)


def with_map(state: State, wwid: Wwid, **changes: Any) -> State:
    """The host with a map that is otherwise."""
    maps = tuple(replace(each, **changes) if each.wwid == wwid else each for each in state.snapshot.maps)
    return replace(state, snapshot=replace(state.snapshot, maps=maps))


def with_map_line(state: State, wwid: Wwid, **changes: Any) -> State:
    """The host with a map of which the loop knows otherwise."""
    return replace(state, maps={**state.maps, wwid: replace(state.maps[wwid], **changes)})


def with_path(state: State, name: str, health: PathState, *, active: bool) -> State:
    """The host with a path in another state, for its checker and for dm."""
    paths = tuple(
        replace(path, health=replace(path.health, state=health)) if path.name == DeviceName(name) else path
        for path in state.snapshot.paths
    )
    (dev,) = (path.dev for path in paths if path.name == DeviceName(name))
    maps = tuple(_with_active(each, dev, active=active) for each in state.snapshot.maps)
    return replace(state, snapshot=replace(state.snapshot, paths=paths, maps=maps))


def _with_active(live: Map, dev: DevT, *, active: bool) -> Map:
    assert live.status is not None
    groups = tuple(
        replace(group, paths=tuple(replace(path, active=active) if path.dev == dev else path for path in group.paths))
        for group in live.status.groups
    )
    return replace(live, status=replace(live.status, groups=groups))


def without_maps(state: State, *wwids: Wwid) -> State:
    """The host without these maps."""
    kept = tuple(each for each in state.snapshot.maps if each.wwid not in wwids)
    return replace(state, snapshot=replace(state.snapshot, maps=kept))


def recorded(name: str) -> list[tuple[str, str]]:
    """The commands of a file of the recorded dialogue, with their replies."""
    return [(each["command"], each["reply"]) for each in spec_json("cli", name)]
