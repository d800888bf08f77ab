"""What devices, maps and properties may be called, and what is said of a name that nothing has."""

from dataclasses import replace

import pytest

from desired.evidence import Evidence, find_device, find_map, find_option
from desired.explain_subjects import explain_map, explain_map_property, explain_path_property
from desired.options import OPTIONS
from observers.errors import InputError
from observers.snapshot import Alias, DmDevice, DmUuid, Gap, TextFile
from tests.builders import CONFIG_FILE, with_maps
from tests.explain.worlds import A, B, evidence_of, host, plain

NAMED = f"multipaths {{\nmultipath {{\nwwid {A}\nalias data\n}}\n}}\n"


@pytest.fixture
def evidence() -> Evidence:
    linked = replace(plain(0), udev={**plain(0).udev, "DEVLINKS": "/dev/disk/by-id/x /dev/disk/by-path/y"})
    snapshot = with_maps(host(linked, plain(1), plain(2, B), config=NAMED), {A})
    root = DmDevice(Alias("vg-root"), DmUuid("LVM-x"), snapshot.maps[0].dev.replace(":0", ":9"))  # type: ignore[arg-type]
    return evidence_of(replace(snapshot, other_devices=(root,), gaps=(Gap("sdx", "size", "no answer"),)))


@pytest.mark.parametrize("name", ["sda", "/dev/sda", "8:0", "/dev/disk/by-path/y"])
def test_a_device_by_any_of_its_names(evidence: Evidence, name: str) -> None:
    assert find_device(evidence, name).path.name == "sda"


@pytest.mark.parametrize("name", ["data", "/dev/mapper/data", "dm-0", "/dev/dm-0", "254:0", A, f"mpath-{A}"])
def test_a_map_by_any_of_its_names(evidence: Evidence, name: str) -> None:
    assert find_map(evidence, name).wwid == A


def test_a_map_that_is_not_there_yet_by_the_name_that_it_will_have(evidence: Evidence) -> None:
    found = find_map(evidence, B)
    assert (found.live, found.wanted is not None) == (None, True)


def test_the_name_that_a_map_has_goes_before_the_one_that_another_will_have() -> None:
    earlier = with_maps(host(plain(0), plain(1, B), config=NAMED), {A, B})
    swapped = NAMED.replace("data", B) + NAMED.replace(A, B)
    now = replace(earlier, config_files=(TextFile(CONFIG_FILE, swapped + "defaults {\nfind_multipaths off\n}\n"),))
    assert find_map(evidence_of(now), "data").wwid == A


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("sdaa", "no block device sdaa", "did you mean sda"),
        ("zzz", "no block device zzz", ""),
        ("data", "data is a map", "mpathctl explain map data"),
        ("sdx", "sdx could not be read: size: no answer", ""),
    ],
    ids=["nearest", "nothing near", "a map", "unreadable"],
)
def test_a_name_that_is_no_devices(evidence: Evidence, name: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        find_device(evidence, name)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("dta", "no map dta", "did you mean data"),
        ("sdb", "sdb is a path", "mpathctl explain path sdb"),
        ("vg-root", "no multipath map", ""),
        ("", "no map", ""),
    ],
    ids=["nearest", "a path", "another device", "empty"],
)
def test_a_name_that_is_no_maps(evidence: Evidence, name: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        find_map(evidence, name)
    assert caught.value.hint.startswith(hint)


def test_a_wwid_without_a_map_names_its_devices() -> None:
    strict = evidence_of(host(plain(0), config="defaults {\nfind_multipaths strict\n}\n"))
    with pytest.raises(InputError, match="it is the WWID of sda") as caught:
        find_map(strict, A)
    assert caught.value.hint == "mpathctl explain path sda"


@pytest.mark.parametrize(
    ("keyword", "message", "hint"),
    [
        ("no_path_retri", "no property no_path_retri", "did you mean no_path_retry"),
        ("priorty", "no property priorty", "did you mean priority"),
        ("devnode", "devnode is no property", "it is a keyword of blacklist, blacklist_exceptions"),
        ("multipath", "multipath is no property", "it is a keyword of multipaths"),
        ("getuid_callout", "accepted and has no effect", ""),
        ("", "no property", ""),
    ],
    ids=["nearest", "nearest of what was seen", "a rule", "a section", "without effect", "empty"],
)
def test_a_word_that_is_no_property(evidence: Evidence, keyword: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        explain_path_property(evidence, "sda", keyword)
    assert caught.value.hint.startswith(hint)


def test_every_property_can_be_asked_for_of_a_path_and_of_a_map(evidence: Evidence) -> None:
    asked = [option.keyword for option in OPTIONS if option.layers]
    assert len(asked) > 60
    for keyword in [*asked, "wwid"]:
        assert explain_path_property(evidence, "sda", keyword).property in (keyword, find_key(keyword))
        assert explain_map_property(evidence, "data", keyword).property in (keyword, find_key(keyword))


def find_key(keyword: str) -> str:
    return keyword if keyword == "wwid" else find_option(keyword).key


def test_a_map_that_nobody_wants_has_no_properties_and_says_why() -> None:
    earlier = with_maps(host(plain(0)), {A})
    now = evidence_of(replace(earlier, paths=()))
    found = explain_map(now, A)
    assert found.unwanted == "no device with its WWID is admitted"
    assert (found.properties, found.table_now != "") == ((), True)
    with pytest.raises(InputError, match="no device with its WWID is admitted"):
        explain_map_property(now, A, "failback")


def test_a_map_that_is_left_alone_says_why() -> None:
    earlier = with_maps(host(plain(0)), {A})
    now = evidence_of(replace(earlier, paths=(), gaps=(Gap("host", "list of block devices", "refused"),)))
    assert "left alone" in explain_map(now, A).unwanted


def test_a_configuration_that_could_not_be_read_explains_nothing() -> None:
    gap = Gap(CONFIG_FILE, "text", "permission denied")
    with pytest.raises(InputError, match="permission denied"):
        evidence_of(replace(host(plain(0)), gaps=(gap,)))
