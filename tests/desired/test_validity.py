"""udev's question: every rule, in every mode of find_multipaths, and what follows from the answer."""

from dataclasses import replace

import pytest

from desired.admission import Candidate, Rules
from desired.config import Config, load_config
from desired.derive import identify, rules_in_force
from desired.model import Origin, OriginKind, Resolved
from desired.observed import observe
from desired.validity import (
    Answer,
    Case,
    Judgement,
    Validity,
    companions,
    identified,
    ignoring_the_file,
    is_path_valid,
    once_accompanied,
    once_released,
    once_taken,
    reply,
    second_path_wait,
)
from desired.values import FindMultipaths
from observers.dmtable import DevT
from observers.snapshot import Alias, DeviceName, Map, Path, Snapshot, TextFile, Usage, Wwid, map_uuid
from tests.builders import CONFIG_FILE, HARDWARE, HOST, WWIDS_FILE, scsi_path, unit_wwid

A, B = unit_wwid(1), unit_wwid(2)
MODES = tuple(FindMultipaths)
NO, YES, ALWAYS, MAYBE = Validity.NOT_VALID, Validity.VALID, Validity.VALID_NO_CHECK, Validity.MAYBE
MAP = Map(name=Alias("data"), uuid=map_uuid(A), dev=DevT("254:0"), table=None, status=None)
MOUNTED = Usage(uses=("sda1 is mounted on /boot",))
UNKNOWN = replace(scsi_path(0, A), vendor="NOBODY", product="NOTHING")
LISTED = 'blacklist {\n\tdevnode "^sda$"\n}\n'


def snapshot(mode: str, *paths: Path, config: str = "", wwids: str = "", maps: tuple[Map, ...] = ()) -> Snapshot:
    text = f"defaults {{\n\tfind_multipaths {mode}\n}}\n{config}"
    return Snapshot(
        taken_at=0.0,
        host=HOST,
        config_files=(TextFile(CONFIG_FILE, text),),
        wwids=TextFile(WWIDS_FILE, wwids),
        paths=paths or (scsi_path(0, A),),
        maps=maps,
    )


def parts(seen: Snapshot) -> tuple[Config, tuple[Candidate, ...], Rules]:
    config = load_config(seen.config_files)
    return config, identify(config, seen, observe(seen)), rules_in_force(config, seen, observe(seen))


def case(mode: str, *paths: Path, usage: Usage | None = None, config: str = "", wwids: str = "", maps: int = 0) -> Case:
    _, candidates, rules = parts(snapshot(mode, *paths, config=config, wwids=wwids, maps=(MAP,) * maps))
    return Case(candidate=candidates[0], rules=rules, usage=usage or Usage(), attended=True)


def validity(asked: Case) -> Validity:
    return is_path_valid(asked).validity


ALONE = {"off": NO, "on": NO, "strict": NO, "greedy": YES, "smart": MAYBE}
"""A device that nothing is known of but that no rule keeps it out."""


def by_mode(**other: Validity) -> list[tuple[str, Validity]]:
    """The answer in each mode, that for a device alone where nothing else is given."""
    return [(mode, other.get(mode, ALONE[mode])) for mode in MODES]


def test_the_modes_are_those_that_are_tried() -> None:
    assert set(MODES) == set(ALONE)


@pytest.mark.parametrize(("mode", "wanted"), by_mode())
def test_a_device_that_nothing_is_known_of(mode: str, wanted: Validity) -> None:
    assert validity(case(mode)) is wanted


@pytest.mark.parametrize("mode", MODES)
def test_a_map_on_top_says_yes_whatever_else_is(mode: str) -> None:
    asked = case(mode, config=LISTED, usage=replace(MOUNTED, maps=(B,)))
    held = replace(asked, attended=False, failed=frozenset({A}))
    found = is_path_valid(held)
    assert (found.validity, found.origin.kind) == (ALWAYS, OriginKind.EXISTING_MAP)
    assert found.reason == f"the map of {B} is on top of it"


@pytest.mark.parametrize("mode", MODES)
def test_without_a_daemon_nothing_is_claimed(mode: str) -> None:
    found = is_path_valid(replace(case(mode, wwids=f"/{A}/\n", maps=1), attended=False))
    assert (found.validity, found.reason) == (
        NO,
        "no multipath daemon would take it: none runs, and none is enabled",
    )


def test_people_are_answered_without_a_daemon() -> None:
    assert validity(replace(case("strict", wwids=f"/{A}/\n"), attended=None)) is ALWAYS


@pytest.mark.parametrize("mode", MODES)
def test_a_partition_is_no_path(mode: str) -> None:
    path = scsi_path(0, A)
    part = replace(path, udev={**path.udev, "DEVTYPE": "partition"})
    assert validity(case(mode, part, wwids=f"/{A}/\n", maps=1)) is NO


@pytest.mark.parametrize("mode", MODES)
def test_a_blacklisted_device_is_no_path_and_the_rule_is_named(mode: str) -> None:
    found = is_path_valid(case(mode, config=LISTED, wwids=f"/{A}/\n", maps=1))
    assert (found.validity, found.origin.where) == (NO, f"{CONFIG_FILE}:5")


@pytest.mark.parametrize("mode", MODES)
def test_a_device_whose_wwid_is_blacklisted_is_no_path(mode: str) -> None:
    assert validity(case(mode, config=f'blacklist {{\n\twwid "{A}"\n}}\n', wwids=f"/{A}/\n", maps=1)) is NO


@pytest.mark.parametrize("mode", MODES)
def test_a_device_without_a_wwid_is_no_path(mode: str) -> None:
    nameless = replace(scsi_path(0, A), udev={}, page83_cached=None, page83_device=None)
    found = is_path_valid(case(mode, nameless, wwids=f"/{A}/\n", maps=1))
    assert (found.validity, found.reason) == (NO, "no WWID: udev property ID_SERIAL is missing")


@pytest.mark.parametrize("mode", MODES)
def test_a_wwid_whose_map_was_refused_is_no_path(mode: str) -> None:
    asked = replace(case(mode, wwids=f"/{A}/\n", maps=1), failed=frozenset({A}))
    found = is_path_valid(asked)
    assert (found.validity, found.reason) == (NO, f"the map of {A} could not be created before")
    assert validity(replace(asked, failed=frozenset({B}))) is not NO


@pytest.mark.parametrize(("mode", "wanted"), by_mode(greedy=NO, smart=NO))
def test_a_device_in_use_is_not_claimed_where_an_unknown_one_could_be(mode: str, wanted: Validity) -> None:
    found = is_path_valid(case(mode, usage=MOUNTED))
    assert found.validity is wanted
    assert ("sda1 is mounted on /boot" in found.reason) == (mode in ("greedy", "smart"))


@pytest.mark.parametrize(("mode", "wanted"), by_mode(off=ALWAYS, on=ALWAYS, strict=ALWAYS, greedy=NO, smart=NO))
def test_a_known_device_in_use(mode: str, wanted: Validity) -> None:
    assert validity(case(mode, usage=MOUNTED, wwids=f"/{A}/\n")) is wanted


@pytest.mark.parametrize(("mode", "wanted"), by_mode(off=ALWAYS, on=ALWAYS, strict=ALWAYS, smart=ALWAYS))
def test_a_wwid_in_the_file(mode: str, wanted: Validity) -> None:
    found = is_path_valid(case(mode, wwids=f"/{A}/\n", maps=1))
    assert (found.validity, found.origin.where) == (wanted, f"{CONFIG_FILE}:2")


@pytest.mark.parametrize(("mode", "wanted"), by_mode(off=YES, on=YES, strict=YES, smart=YES))
def test_a_wwid_that_has_a_map(mode: str, wanted: Validity) -> None:
    assert validity(case(mode, maps=1)) is wanted


def test_the_reason_names_the_mode_and_its_line() -> None:
    found = is_path_valid(case("smart"))
    assert found == Judgement(
        MAYBE,
        "find_multipaths smart: a second path to its unit may show",
        Origin(OriginKind.DEFAULTS, f"{CONFIG_FILE}:2"),
    )


@pytest.mark.parametrize(
    ("mode", "wanted"), [("off", "greedy"), ("on", "smart"), ("strict", "smart"), ("smart", "smart")]
)
def test_a_file_that_shall_not_count_changes_the_mode(mode: str, wanted: str) -> None:
    before = Resolved(FindMultipaths(mode), Origin(OriginKind.DEFAULTS))
    after = ignoring_the_file(before)
    assert after.value == wanted
    assert (after.origin.kind is OriginKind.COMMAND_LINE) == (mode != wanted)


# ---- who it is


def environment_case(udev: dict[str, str], environment: dict[str, str]) -> Candidate:
    path = replace(scsi_path(0, A), udev=udev, page83_cached=None, page83_device=None)
    seen = snapshot("smart", path)
    return identified(load_config(seen.config_files), seen, observe(seen), environment)


def test_the_wwid_of_a_device_that_is_new_to_udev_is_in_the_environment() -> None:
    found = environment_case({"DEVTYPE": "disk"}, {"ID_SERIAL": A})
    assert (found.wwid, found.path.udev) == (A, {"DEVTYPE": "disk"})


def test_the_database_goes_before_the_environment() -> None:
    assert environment_case({"ID_SERIAL": A}, {"ID_SERIAL": B}).wwid == A


def test_an_empty_property_of_the_database_does_not_count() -> None:
    assert environment_case({"ID_SERIAL": ""}, {"ID_SERIAL": B}).wwid == B


def test_only_the_property_of_the_wwid_is_taken_from_the_environment() -> None:
    assert environment_case({"DEVTYPE": "disk"}, {"ID_WWN": A}).wwid == Wwid("")


def test_a_wwid_of_the_environment_finds_the_settings_of_its_map() -> None:
    config = f'multipaths {{\n\tmultipath {{\n\t\twwid "{A}"\n\t\tprio const\n\t}}\n}}\n'
    path = replace(scsi_path(0, A), udev={}, page83_cached=None)
    seen = snapshot("smart", replace(path, page83_device=None), config=config)
    loaded = load_config(seen.config_files)
    with_it = identified(loaded, seen, observe(seen), {"ID_SERIAL": A})
    assert len(with_it.layers.sources) > len(identified(loaded, seen, observe(seen), {}).layers.sources)


# ---- a second path


def test_other_devices_of_its_unit_are_its_companions() -> None:
    _, candidates, rules = parts(snapshot("smart", scsi_path(0, A), scsi_path(1, B), scsi_path(2, A)))
    found = companions(rules, candidates[0], candidates[1:])
    assert [each.path.name for each in found] == ["sdc"]


def test_a_blacklisted_device_is_no_companion() -> None:
    config = LISTED.replace("sda", "sdb")
    _, candidates, rules = parts(snapshot("smart", scsi_path(0, A), scsi_path(1, A), config=config))
    assert companions(rules, candidates[0], candidates[1:]) == ()


def judged(validity: Validity) -> Judgement:
    return Judgement(validity, "because", Origin(OriginKind.DEFAULTS))


def test_a_companion_makes_a_path_of_what_may_be_one() -> None:
    _, candidates, _ = parts(snapshot("smart", scsi_path(0, A), scsi_path(1, A)))
    found = once_accompanied(judged(MAYBE), candidates[1:])
    assert (found.validity, found.reason) == (YES, "sdb also leads to its unit")
    assert once_accompanied(judged(MAYBE), ()) == judged(MAYBE)
    assert once_accompanied(judged(NO), candidates[1:]) == judged(NO)


@pytest.mark.parametrize(
    ("setting", "hardware", "wanted"),
    [
        pytest.param("", "known", 10, id="default, known hardware"),
        pytest.param("", "unknown", 1, id="default, unknown hardware"),
        pytest.param("-30", "known", 30, id="negative, known hardware"),
        pytest.param("-30", "unknown", 1, id="negative, unknown hardware"),
        pytest.param("7", "known", 7, id="positive, known hardware"),
        pytest.param("7", "unknown", 7, id="positive, unknown hardware"),
        pytest.param("0", "known", 10, id="zero is the default, known hardware"),
        pytest.param("0", "unknown", 1, id="zero is the default, unknown hardware"),
    ],
)
def test_how_long_udev_waits(setting: str, hardware: str, wanted: int) -> None:
    config = f"defaults {{\n\tfind_multipaths_timeout {setting}\n}}\n" if setting else ""
    path = scsi_path(0, A, hardware=HARDWARE[0]) if hardware == "known" else UNKNOWN
    assert second_path_wait(case("smart", path, config=config).candidate.layers) == wanted


# ---- what follows


@pytest.mark.parametrize(
    ("before", "after"), [(NO, NO), (YES, NO), (ALWAYS, ALWAYS), (MAYBE, NO)], ids=lambda each: each.name
)
def test_a_device_that_was_let_go(before: Validity, after: Validity) -> None:
    assert once_released(judged(before), "0").validity is after


@pytest.mark.parametrize("told", ["", "1", "2"])
def test_a_device_that_was_not_let_go(told: str) -> None:
    assert once_released(judged(MAYBE), told) == judged(MAYBE)


def test_a_device_that_somebody_has() -> None:
    assert once_taken(MOUNTED, "Device or resource busy") == Judgement(
        NO, "it can't be opened exclusively: Device or resource busy", Origin(OriginKind.IMPLIED)
    )
    assert once_taken(Usage(maps=(A,)), "busy").validity is YES


@pytest.mark.parametrize(
    ("said", "until", "text"),
    [
        pytest.param(NO, None, 'DM_MULTIPATH_DEVICE_PATH="0"\n', id="no"),
        pytest.param(YES, None, 'DM_MULTIPATH_DEVICE_PATH="1"\n', id="yes"),
        pytest.param(ALWAYS, None, 'DM_MULTIPATH_DEVICE_PATH="1"\n', id="yes, no check"),
        pytest.param(
            MAYBE,
            109.25,
            'FIND_MULTIPATHS_WAIT_UNTIL="9.250000"\nDM_MULTIPATH_DEVICE_PATH="2"\n',
            id="maybe, and it waits",
        ),
        pytest.param(
            MAYBE,
            101.0,
            'FIND_MULTIPATHS_WAIT_UNTIL="1.000000"\nDM_MULTIPATH_DEVICE_PATH="2"\n',
            id="maybe, and a second is left",
        ),
        pytest.param(
            MAYBE,
            100.75,
            'FIND_MULTIPATHS_WAIT_UNTIL="0"\nDM_MULTIPATH_DEVICE_PATH="0"\n',
            id="maybe, and less than a second is left",
        ),
        pytest.param(
            MAYBE, 3.0, 'FIND_MULTIPATHS_WAIT_UNTIL="0"\nDM_MULTIPATH_DEVICE_PATH="0"\n', id="maybe, and it waited"
        ),
        pytest.param(MAYBE, None, 'DM_MULTIPATH_DEVICE_PATH="0"\n', id="maybe, but it can't wait"),
        pytest.param(
            YES,
            105.5,
            'FIND_MULTIPATHS_WAIT_UNTIL="5.500000"\nDM_MULTIPATH_DEVICE_PATH="1"\n',
            id="yes, before the wait was over",
        ),
        pytest.param(
            YES, 99.0, 'FIND_MULTIPATHS_WAIT_UNTIL="0"\nDM_MULTIPATH_DEVICE_PATH="1"\n', id="yes, after the wait"
        ),
    ],
)
def test_what_udev_is_told(said: Validity, until: float | None, text: str) -> None:
    assert reply(judged(said), until=until, now=100.0).text == text


def test_a_wait_that_is_over_is_the_reason() -> None:
    assert reply(judged(MAYBE), until=3.0, now=100.0).judgement.reason == "the wait for a second path is over"
    assert reply(judged(MAYBE), until=None, now=100.0).judgement.reason == "no wait for a second path could begin"
    assert reply(judged(MAYBE), until=None, now=100.0).answer is Answer.NO


def test_a_device_of_another_kind_is_no_path_by_its_name() -> None:
    assert validity(case("greedy", replace(scsi_path(0, A), name=DeviceName("loop0")))) is NO
