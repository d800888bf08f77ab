"""What holds for whatever hosts there are, however odd."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from desired.derive import derive_snapshot
from desired.identity import Standing, examine
from desired.model import Desired, Verdict
from observers.dmtable import Sectors, format_table, parse_table
from observers.snapshot import Alua, Health, Path, PathState, Snapshot, TextFile
from tests.builders import BINDINGS_FILE, CONFIG_FILE, HARDWARE, HOST, made_map, page83, scsi_path, unit_wwid, with_maps

UNITS = [unit_wwid(number) for number in range(3)]
POLICIES = ("failover", "multibus", "group_by_serial", "group_by_prio", "group_by_node_name", "group_by_tpg")


@st.composite
def devices(draw: st.DrawFn, number: int) -> Path:
    unit = draw(st.sampled_from(UNITS))
    handler = draw(st.booleans())
    alua = Alua(
        tpgs=draw(st.sampled_from([None, 0, 1, 3])),
        group=draw(st.sampled_from([None, 1, 2])),
        access_state=draw(st.sampled_from(["", "active/optimized", "standby"])) if handler else "",
        preferred=draw(st.booleans()),
        handler="alua" if handler else "",
    )
    path = scsi_path(number, unit, hardware=draw(st.sampled_from(HARDWARE)), alua=alua)
    return replace(
        path,
        udev=draw(st.sampled_from([path.udev, {}, {"ID_SERIAL": draw(st.sampled_from(UNITS)), "ID_WWN": "x"}])),
        page83_device=draw(st.sampled_from([path.page83_device, None, page83(draw(st.sampled_from(UNITS)))])),
        size=Sectors(draw(st.sampled_from([0, 2048, 4096]))),
        health=Health("tur", draw(st.sampled_from(PathState))),
    )


@st.composite
def hosts(draw: st.DrawFn) -> Snapshot:
    paths = tuple(draw(devices(number)) for number in range(draw(st.integers(0, 6))))
    config = (
        f"defaults {{\n\tfind_multipaths {draw(st.sampled_from(['off', 'on', 'strict']))}\n"
        f"\tuser_friendly_names {draw(st.sampled_from(['yes', 'no']))}\n}}\n"
        f"overrides {{\n\tpath_grouping_policy {draw(st.sampled_from(POLICIES))}\n"
        f"\tdetect_pgpolicy {draw(st.sampled_from(['yes', 'no']))}\n}}\n"
    )
    snapshot = Snapshot(taken_at=0.0, host=HOST, config_files=(TextFile(CONFIG_FILE, config),), paths=paths)
    earlier = replace(snapshot, paths=tuple(draw(devices(path_number)) for path_number in range(len(paths))))
    made = with_maps(earlier, set(draw(st.lists(st.sampled_from(UNITS)))))
    return replace(snapshot, maps=made.maps)


@settings(max_examples=100)
@given(hosts(), st.booleans())
def test_what_is_desired_is_consistent_and_safe(snapshot: Snapshot, resident: bool) -> None:
    desired = derive_snapshot(snapshot, resident=resident)
    assert not [message for message in desired.messages if "could not be derived" in message.text]
    verdicts = {each.dev: each for each in desired.admissions}
    paths = {path.dev: path for path in snapshot.paths}
    held = {(each.wwid, dev) for each in snapshot.maps if each.table for dev in each.table.devices}
    waiting = {each.wwid for each in snapshot.maps if each.table and each.table.queues}
    everywhere = [dev for each in desired.maps for dev in each.table.devices]
    assert len(everywhere) == len(set(everywhere))
    assert len({each.alias.value for each in desired.maps}) == len(desired.maps)
    assert not {each.wwid for each in desired.maps} & set(desired.keep)
    for each in desired.maps:
        assert each.table.devices == tuple(member.dev for member in each.members)
        assert parse_table(each.table.size, format_table(each.table)) == each.table
        assert resident or not each.table.queues or each.wwid in waiting
        for dev in each.table.devices:
            assert (verdicts[dev].verdict, verdicts[dev].wwid) == (Verdict.ADMITTED, each.wwid)
            assert (each.wwid, dev) in held or examine(paths[dev], each.wwid, "ID_SERIAL").standing is (
                Standing.CONFIRMED
            )


def applied(snapshot: Snapshot, desired: Desired) -> Snapshot:
    """The host after everything was done: maps made or changed, others gone unless they are to be kept."""
    changed = [each for each in desired.maps if not each.reject]
    stay = {each.wwid for each in desired.maps if each.reject} | set(desired.keep)
    maps = [made_map(each, minor) for minor, each in enumerate(changed)]
    maps += [each for each in snapshot.maps if each.wwid in stay]
    text = desired.bindings
    bindings = snapshot.bindings if text is None else TextFile(BINDINGS_FILE, text)
    return replace(snapshot, maps=tuple(maps), bindings=bindings)


@settings(max_examples=100)
@given(hosts())
def test_when_it_is_as_desired_nothing_else_is_desired(snapshot: Snapshot) -> None:
    desired = derive_snapshot(snapshot, resident=True)
    again = derive_snapshot(applied(snapshot, desired), resident=True)
    settled = {each.wwid for each in desired.maps if not each.reject}
    first, second = (
        {each.wwid: (each.alias.value, each.table) for each in found.maps if each.wwid in settled}
        for found in (desired, again)
    )
    assert first == second
    assert again.bindings is None
