"""A small host as a `State`: two maps of four paths each, a disk that waits, and a disk that is no path."""

from dataclasses import replace
from functools import cache
from typing import Any

from controller.protocol.replies import respond
from controller.protocol.requests import Request
from controller.protocol.state import DaemonLine, MapLine, PathLine, State
from desired.config import load_config
from desired.derive import derive
from observers.dmtable import DevT
from observers.snapshot import Alua, Bus, DeviceName, Health, Path, PathState, ScsiAddress, Snapshot, TextFile, Wwid
from tests.builders import CONFIG_FILE, HARDWARE, HOST, WWIDS_FILE, made_map, scsi_path, unit_wwid

ARRAY, LOCAL = unit_wwid(1), unit_wwid(2)
NOW = 500.0

CONFIG = f"""
defaults {{
	find_multipaths strict
}}
blacklist {{
	devnode "^sdz$"
	wwid "never"
	protocol "scsi:ata"
	device {{
		vendor "BAD"
		product "Disk"
	}}
}}
blacklist_exceptions {{
	devnode "^sdy"
}}
multipaths {{
	multipath {{
		wwid {ARRAY}
		alias data
		failback 10
		no_path_retry 12
		reservation_key file
	}}
	multipath {{
		wwid {LOCAL}
		path_grouping_policy multibus
		no_path_retry queue
	}}
}}
"""


def _array(number: int) -> Path:
    alua = Alua(tpgs=1, group=1 + number % 2, access_state="active/optimized", handler="alua")
    if number % 2:
        alua = replace(alua, access_state="active/non-optimized")
    address = ScsiAddress(number, 0, 0, 300)
    path = scsi_path(number, ARRAY, address=address, hardware=HARDWARE[0], alua=alua)
    return replace(path, host_node_name="0x2001", host_port_name="0x1001", target_port_name="0x5001")


def _local(number: int) -> Path:
    return scsi_path(4 + number, LOCAL, address=ScsiAddress(4 + number, 0, 0, 1), protocol="scsi:iscsi")


@cache
def world() -> State:
    """The host, all well."""
    waiting = scsi_path(8, unit_wwid(3), address=ScsiAddress(8, 0, 0, 0))
    loop = Path(
        name=DeviceName("loop0"),
        dev=DevT("7:0"),
        size=waiting.size,
        bus=Bus.UNKNOWN,
        sysfs="/sys/devices/virtual/block/loop0",
    )
    paths = (*map(_array, range(4)), *map(_local, range(4)), waiting, loop)
    return of(paths)


def of(paths: tuple[Path, ...], **changes: Any) -> State:
    """A host with these disks and all the maps that they should have."""
    config_file = TextFile(CONFIG_FILE, CONFIG)
    wwids = TextFile(WWIDS_FILE, f"/{ARRAY}/\n/{LOCAL}/\n")
    snapshot = Snapshot(taken_at=0.0, host=HOST, config_files=(config_file,), wwids=wwids, paths=paths)
    config = load_config(snapshot.config_files)
    desired = derive(config, snapshot, resident=True)
    maps = tuple(made_map(each, minor) for minor, each in enumerate(desired.maps, 3))
    state = State(
        snapshot=replace(snapshot, maps=maps),
        desired=desired,
        config=config,
        daemon=DaemonLine(pid=4711, cycles=9),
        now=NOW,
        observed_at=NOW - 0.25,
        paths={
            path.name: PathLine(priority=10, checker="tur", check_due=NOW + 4.2, check_interval=20) for path in paths
        },
        maps={each.wwid: MapLine() for each in maps},
    )
    return replace(state, **changes)


def said(state: State, text: str, *, root: bool = True) -> str:
    """The reply to a command that is answered at once."""
    answer = respond(state, text, root=root)
    assert isinstance(answer, str)
    return answer


def asked(state: State, text: str) -> Request:
    """What the loop is asked for by a command."""
    answer = respond(state, text, root=True)
    assert isinstance(answer, Request), answer
    return answer


def with_path(state: State, name: str, /, **changes: Any) -> State:
    """The host with a disk that is otherwise."""
    paths = tuple(replace(each, **changes) if each.name == name else each for each in state.snapshot.paths)
    return replace(state, snapshot=replace(state.snapshot, paths=paths))


def with_health(state: State, name: str, health: PathState) -> State:
    """The host with a path in another state."""
    return with_path(state, name, health=Health("tur", health))


def with_line(state: State, name: str, /, **changes: Any) -> State:
    """The host with a path of which the loop knows otherwise."""
    key = DeviceName(name)
    return replace(state, paths={**state.paths, key: replace(state.paths[key], **changes)})


def with_map(state: State, wwid: Wwid, /, **changes: Any) -> State:
    """The host with a map that is otherwise."""
    maps = tuple(replace(each, **changes) if each.wwid == wwid else each for each in state.snapshot.maps)
    return replace(state, snapshot=replace(state.snapshot, maps=maps))


def with_map_line(state: State, wwid: Wwid, /, **changes: Any) -> State:
    """The host with a map of which the loop knows otherwise."""
    return replace(state, maps={**state.maps, wwid: replace(state.maps[wwid], **changes)})


def without_maps(state: State) -> State:
    """The host without maps."""
    return replace(state, snapshot=replace(state.snapshot, maps=()))
