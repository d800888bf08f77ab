"""What stands above precedence: detection, the kernel, and keywords that imply others."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from desired.config import load_config
from desired.features import QueueMode
from desired.map_selection import MapTraits, Platform, map_profile, map_traits
from desired.model import Origin, OriginKind, Resolved
from desired.precedence import DeviceKind, Layers, settings_for
from desired.selection import PathTraits, path_profile, tpgs_of, traits_of, uid_attribute
from observers.dmtable import MultipathTable, Sectors
from observers.snapshot import Alua, Bus, Hex, Path, TextFile
from tests.builders import CONFIG_FILE, HOST, scsi_path, unit_wwid

PLATFORM = Platform.of(HOST, watched=True)
NOTHING = PathTraits(Bus.SCSI, tpgs=0, access_state_known=False, timeout=None)
TPGS = replace(NOTHING, tpgs=1)
IN_SYSFS = replace(TPGS, access_state_known=True)
ONE = MapTraits(attached="", all_tpgs=False, alua_priorities=False, queue_mode=None, queues=False)
PLAIN = DeviceKind("ACME", "Disk", "1.0", "scsi:fcp", Bus.SCSI)
RDAC = DeviceKind("IBM", "1815", "1.0", "scsi:fcp", Bus.SCSI)


def layers(text: str = "", kind: DeviceKind = PLAIN) -> Layers:
    return settings_for(load_config((TextFile(CONFIG_FILE, text),)), kind)


def defaults(*lines: str) -> str:
    return "defaults {\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


def chosen(traits: PathTraits, text: str = "", kind: DeviceKind = PLAIN) -> tuple[str, str, OriginKind]:
    profile = path_profile(layers(text, kind), traits)
    return profile.prioritizer.value, profile.arguments.value, profile.prioritizer.origin.kind


def properties(text: str = "", traits: MapTraits = ONE, platform: Platform = PLATFORM) -> Mapping[str, Resolved[str]]:
    return map_profile(layers(text), traits, platform).properties


def test_a_path_without_target_port_groups_gets_what_is_configured() -> None:
    assert chosen(NOTHING) == ("const", "", OriginKind.BUILT_IN)


def test_target_port_groups_in_sysfs_are_preferred() -> None:
    assert chosen(IN_SYSFS) == ("sysfs", "", OriginKind.AUTODETECTED)
    assert chosen(TPGS) == ("alua", "", OriginKind.AUTODETECTED)


def test_an_implicit_rdac_array_wants_to_be_asked() -> None:
    assert chosen(IN_SYSFS, kind=RDAC)[0] == "alua"
    assert chosen(replace(IN_SYSFS, tpgs=2), kind=RDAC)[0] == "sysfs"


def test_detection_takes_the_arguments_away() -> None:
    text = defaults("prio alua", "prio_args exclusive_pref_bit")
    assert chosen(IN_SYSFS, text) == ("sysfs", "", OriginKind.AUTODETECTED)


def test_without_detection_the_configured_prioritizer_is_used() -> None:
    text = defaults("detect_prio no", "prio alua", "prio_args exclusive_pref_bit")
    assert chosen(IN_SYSFS, text) == ("alua", "exclusive_pref_bit", OriginKind.DEFAULTS)


def test_alua_without_target_port_groups_becomes_const() -> None:
    assert chosen(NOTHING, defaults("prio alua", "prio_args x")) == ("const", "", OriginKind.IMPLIED)


def test_the_arguments_are_those_of_the_layer_that_names_the_prioritizer() -> None:
    text = defaults("prio weightedpath", "prio_args 'x'") + "overrides {\n\tprio weightedpath\n}\n"
    assert chosen(NOTHING, text) == ("weightedpath", "", OriginKind.OVERRIDES)


def test_within_the_device_table_each_is_the_first_that_is_set() -> None:
    device = 'device {{\n\t\tvendor "{}"\n\t\tproduct .\n\t\t{}\n\t}}\n'
    text = f"devices {{\n\t{device.format('A', 'prio weightedpath')}\t{device.format('AC', 'prio_args XX')}}}\n"
    assert chosen(NOTHING, text)[:2] == ("weightedpath", "XX")


@pytest.mark.parametrize(
    ("traits", "text", "kind", "checker"),
    [
        (NOTHING, defaults("path_checker directio"), PLAIN, "directio"),
        (TPGS, defaults("path_checker directio"), PLAIN, "tur"),
        (TPGS, defaults("path_checker directio", "detect_checker no"), PLAIN, "directio"),
        (TPGS, "", RDAC, "rdac"),
    ],
)
def test_the_checker_is_detected_too(traits: PathTraits, text: str, kind: DeviceKind, checker: str) -> None:
    assert path_profile(layers(text, kind), traits).properties["path_checker"].value == checker


@pytest.mark.parametrize(
    ("traits", "text", "seconds"),
    [
        (NOTHING, "", "30"),
        (replace(NOTHING, timeout=45), "", "45"),
        (replace(NOTHING, timeout=45), defaults("checker_timeout 7"), "7"),
    ],
)
def test_a_check_may_take_as_long_as_the_configuration_or_the_kernel_says(
    traits: PathTraits, text: str, seconds: str
) -> None:
    assert path_profile(layers(text), traits).properties["checker_timeout"].value == seconds


PAGE = Hex("0083")


@pytest.mark.parametrize(
    ("alua", "page", "tpgs"),
    [
        (Alua(tpgs=0), PAGE, 0),
        (Alua(tpgs=3, group=1), PAGE, 3),
        (Alua(tpgs=3), PAGE, 0),
        (Alua(tpgs=3), None, 3),
        (Alua(), None, None),
        (Alua(handler="alua"), None, 1),
    ],
    ids=["none", "both", "no group in the page", "page not read", "not asked", "not asked, handler attached"],
)
def test_target_port_groups_count_when_the_port_names_its_group(alua: Alua, page: Hex | None, tpgs: int | None) -> None:
    assert tpgs_of(alua, Bus.SCSI, identified=page) == tpgs


def test_other_buses_have_no_target_port_groups() -> None:
    assert tpgs_of(Alua(tpgs=3, group=1), Bus.NVME, identified=None) == 0


def traits(*paths: Path, features: tuple[str, ...] = ()) -> MapTraits:
    profiles = [path_profile(layers(), traits_of(path)) for path in paths]
    loaded = MultipathTable(size=Sectors(8), features=features, initial_group=0, groups=())
    return map_traits(paths, profiles, loaded=loaded)


def with_tpgs(number: int, tpgs: int | None, handler: str = "") -> Path:
    return scsi_path(number, unit_wwid(1), alua=Alua(tpgs=tpgs, group=1 if tpgs else None, handler=handler))


def test_a_path_that_was_not_asked_does_not_speak_against_the_others() -> None:
    assert traits(with_tpgs(0, 1), replace(with_tpgs(1, None), page83_device=None)).all_tpgs
    assert not traits(with_tpgs(0, 1), with_tpgs(1, 0)).all_tpgs
    assert not traits(with_tpgs(0, None)).all_tpgs


def test_the_first_attached_handler_is_the_maps() -> None:
    assert traits(with_tpgs(0, 1), with_tpgs(1, 1, "alua")).attached == "alua"


def test_a_path_over_tcp_settles_the_queue_mode() -> None:
    path = replace(scsi_path(0, unit_wwid(1), protocol="nvme:tcp"), bus=Bus.NVME)
    assert traits(path, features=("queue_mode", "rq")).queue_mode is QueueMode.BIO
    assert traits(with_tpgs(0, 0), features=("queue_mode", "rq")).queue_mode is QueueMode.REQUEST


ALUA = replace(ONE, all_tpgs=True, alua_priorities=True)


@pytest.mark.parametrize(
    ("lines", "policy"),
    [
        ((), "group_by_prio"),
        (("detect_pgpolicy_use_tpg yes",), "group_by_tpg"),
        (("detect_pgpolicy no", "path_grouping_policy multibus"), "multibus"),
        (("detect_pgpolicy no", "path_grouping_policy group_by_tpg"), "group_by_tpg"),
    ],
)
def test_the_policy_of_alua_maps_is_detected(lines: tuple[str, ...], policy: str) -> None:
    assert properties(defaults(*lines), ALUA)["path_grouping_policy"].value == policy


def test_a_configured_handler_is_used_where_the_kernel_attached_none() -> None:
    device = 'devices {\n\tdevice {\n\t\tvendor ACME\n\t\tproduct .\n\t\thardware_handler "1 hp_sw"\n\t}\n}\n'
    assert properties(device)["hardware_handler"].value == "1 hp_sw"
    assert properties(device, replace(ONE, attached="emc"))["hardware_handler"].value == "1 emc"


def test_a_handler_that_was_configured_away_stays_away() -> None:
    device = 'devices {\n\tdevice {\n\t\tvendor ACME\n\t\tproduct .\n\t\thardware_handler "0"\n\t}\n}\n'
    assert properties(device, ALUA)["hardware_handler"].value == "0"


@pytest.mark.parametrize(
    ("release", "target", "retained"),
    [("4.2.0", (1, 14, 0), "no"), ("4.3.0", (1, 14, 0), "yes"), ("6.1.0-18-amd64", (1, 4, 9), "no")],
)
def test_the_kernel_decides_whether_handlers_are_kept(
    release: str, target: tuple[int, int, int], retained: str
) -> None:
    platform = Platform.of(replace(HOST, kernel_release=release, multipath_target=target), watched=True)
    found = properties(defaults("retain_attached_hw_handler no"), platform=platform)
    assert found["retain_attached_hw_handler"].value == retained


def test_a_target_that_is_not_loaded_yet_counts_as_new() -> None:
    assert Platform.of(replace(HOST, multipath_target=None), watched=True).target >= (1, 14, 0)


def test_marginal_path_checking_turns_the_older_ways_off() -> None:
    found = properties(
        defaults(
            "marginal_path_double_failed_time 60",
            "marginal_path_err_sample_time 30",
            "marginal_path_err_rate_threshold 5",
            "marginal_path_err_recheck_gap_time 300",
            "san_path_err_threshold 4",
            "delay_watch_checks 12",
        )
    )
    assert found["marginal_path_err_sample_time"].value == "120"
    assert found["san_path_err_threshold"] == Resolved("no", found["san_path_err_threshold"].origin)
    assert found["san_path_err_threshold"].origin.kind is OriginKind.IMPLIED
    assert found["san_path_err_forget_rate"].value == "no"


def test_events_of_the_fabric_turn_all_error_counting_off() -> None:
    found = properties(
        defaults("marginal_pathgroups fpin", "san_path_err_threshold 4", "marginal_path_err_sample_time 200")
    )
    assert (found["san_path_err_threshold"].value, found["marginal_path_err_sample_time"].value) == ("no", "no")


def test_delayed_checks_are_told_in_their_newer_words() -> None:
    found = properties(defaults("delay_watch_checks 12", "delay_wait_checks 3", "max_polling_interval 10"))
    assert [found[f"san_path_err_{name}"].value for name in ("threshold", "forget_rate", "recovery_time")] == [
        "1",
        "12",
        "30",
    ]


def test_delayed_checks_give_way_to_their_newer_words() -> None:
    found = properties(defaults("delay_watch_checks 12", "san_path_err_forget_rate 5"))
    assert (found["san_path_err_forget_rate"].value, found["san_path_err_threshold"].value) == ("5", "no")


def test_the_attribute_of_the_wwid_may_depend_on_the_devices_name() -> None:
    pairs = Resolved((("nvme", "ID_X"), ("sd", "ID_Y")), Origin(OriginKind.DEFAULTS, f"{CONFIG_FILE}:2"))
    assert uid_attribute("sda", layers(), pairs) == Resolved("ID_Y", replace(pairs.origin, why="uid_attrs"))
    assert uid_attribute("dasda", layers(), pairs).value == "ID_SERIAL"
