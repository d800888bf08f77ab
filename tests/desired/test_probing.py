"""Which device is asked what: checker, timeout, prioritizer, vendors' pages; and which devices are left alone."""

from dataclasses import replace

import pytest

from desired.config import load_config
from desired.probing import probes, probing_in
from observers.dmtable import DevT
from observers.probe import Probe, by_bus
from observers.snapshot import Alua, Bus, Gap, Hex, Path, Snapshot, TextFile
from tests.builders import CONFIG_FILE, HOST, san_snapshot, scsi_path, unit_wwid

PLAIN = ("ACME", "Disk", "1.0")
RDAC = ("IBM", "1815", "1.0")
LIO = ("LIO-ORG", "RAMDISK-MCP", "4.0")
RDAC_PAGE = Hex((b"\0\xc9\0\x08vac1\1\0\0\0").hex())


def disk(hardware: tuple[str, str, str] = PLAIN, *, tpgs: int | None = None) -> Path:
    path = scsi_path(0, unit_wwid(0), hardware=hardware, alua=Alua(tpgs=tpgs, group=1 if tpgs else None))
    return replace(path, timeout=20)


def snapshot(*paths: Path, config: str = "", gaps: tuple[Gap, ...] = ()) -> Snapshot:
    files = (TextFile(CONFIG_FILE, config),)
    return Snapshot(taken_at=0.0, host=HOST, main_config=CONFIG_FILE, config_files=files, paths=paths, gaps=gaps)


def probe(path: Path, config: str = "") -> Probe:
    seen = snapshot(path, config=config)
    found = probes(load_config(seen.config_files, main=CONFIG_FILE), seen)
    return found[path.name]


def defaults(*lines: str) -> str:
    return "defaults {\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"


# ---- checker and prioritizer


def test_a_disk_of_no_known_array_is_checked_by_tur_for_as_long_as_the_kernel_waits() -> None:
    found = probe(disk(tpgs=0))
    assert (found.checker, found.checker_timeout, found.prioritizer) == ("tur", 20, "const")


def test_checker_timeout_of_the_configuration_goes_first() -> None:
    assert probe(disk(), defaults("checker_timeout 5")).checker_timeout == 5


def test_the_array_decides_the_checker() -> None:
    assert probe(disk(LIO, tpgs=3)).checker == "directio"


def test_configured_checker_is_used_where_nothing_is_detected() -> None:
    config = defaults("path_checker readsector0", "detect_checker no")
    assert probe(disk(tpgs=3), config).checker == "readsector0"


def test_target_port_groups_decide_checker_and_prioritizer() -> None:
    config = defaults("path_checker readsector0")
    assert (probe(disk(tpgs=0), config).checker, probe(disk(tpgs=3), config).checker) == ("readsector0", "tur")
    assert probe(disk(tpgs=3)).prioritizer == "alua"


def test_prioritizer_has_its_arguments() -> None:
    found = probe(disk(tpgs=0), defaults("prio path_latency", 'prio_args "io_num=20 base_num=10"'))
    assert (found.prioritizer, found.prioritizer_arguments) == ("path_latency", "io_num=20 base_num=10")


def test_nvme_is_not_checked_by_asking() -> None:
    path = replace(disk(), bus=Bus.NVME, protocol="nvme:tcp", vendor="NVME", product="Linux")
    assert (probe(path).checker, probe(path).identity, probe(path).if_listed) == ("none", True, ())


def test_what_cannot_say_who_it_is_is_not_asked() -> None:
    path = replace(disk(), bus=Bus.CCW, vendor="IBM", product="S/390 DASD ECKD", protocol="ccw")
    config = 'blacklist_exceptions {\n\tdevice {\n\t\tvendor "IBM"\n\t\tproduct "S/390"\n\t}\n\tdevnode ".*"\n}\n'
    found = probe(path, config)
    assert (found.checker, found.identity) == ("directio", False)


# ---- vendors' pages


@pytest.mark.parametrize(
    ("path", "config", "expected"),
    [
        pytest.param(disk(RDAC), "", ((0xC9,), ()), id="rdac by the device table"),
        pytest.param(disk(PLAIN), "", ((), (0xC9,)), id="no checker in the device table"),
        pytest.param(disk(LIO), "", ((), ()), id="another checker in the device table"),
        pytest.param(disk(RDAC), defaults("detect_checker no", "detect_prio no"), ((), ()), id="nothing is detected"),
        pytest.param(disk(("3PARdata", "VV", "1")), "", ((0xC0,), (0xC9,)), id="hp3par"),
    ],
)
def test_pages_that_are_read(path: Path, config: str, expected: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    found = probe(path, config)
    assert (found.pages, found.if_listed) == expected


@pytest.mark.parametrize(
    ("hardware", "page", "expected"),
    [
        pytest.param(RDAC, RDAC_PAGE, "rdac", id="table and page say rdac"),
        pytest.param(PLAIN, RDAC_PAGE, "rdac", id="the page says rdac, the table nothing"),
        pytest.param(RDAC, Hex(""), "tur", id="the table says rdac, the device does not have the page"),
        pytest.param(RDAC, None, "rdac", id="the table says rdac, the device did not answer"),
        pytest.param(PLAIN, Hex(""), "tur", id="neither"),
        pytest.param(PLAIN, Hex("00c9000461626364"), "tur", id="another page of that number"),
    ],
)
def test_the_page_of_an_rdac_array_decides_the_checker(
    hardware: tuple[str, str, str], page: Hex | None, expected: str
) -> None:
    path = replace(disk(hardware, tpgs=1), vendor_pages={} if page is None else {"c9": page})
    assert probe(path).checker == expected


@pytest.mark.parametrize(
    ("page", "tpgs", "expected"),
    [(RDAC_PAGE, 1, "alua"), (RDAC_PAGE, 2, "sysfs"), (Hex(""), 1, "sysfs")],
    ids=["rdac", "rdac, explicit only", "not rdac"],
)
def test_an_rdac_array_is_asked_for_its_groups_itself(page: Hex, tpgs: int, expected: str) -> None:
    path = replace(disk(tpgs=tpgs), vendor_pages={"c9": page})
    path = replace(path, alua=replace(path.alua, access_state="active/optimized"))
    assert probe(path).prioritizer == expected


# ---- who is left alone

BY_WWID = f'blacklist {{\n\twwid "{unit_wwid(0)}"\n}}\n'
BY_NODE = 'blacklist {\n\tdevnode "^sd"\n}\n'


@pytest.mark.parametrize("config", [BY_WWID, BY_NODE], ids=["by its WWID", "by its name"])
def test_a_blacklisted_device_is_not_asked(config: str) -> None:
    seen = snapshot(disk(), config=config)
    assert probes(load_config(seen.config_files, main=CONFIG_FILE), seen) == {}
    assert probing_in(seen)(disk()) is None


def test_a_blacklisted_device_is_asked_by_who_wants_everything() -> None:
    seen = snapshot(disk(), config=BY_NODE)
    asked = probing_in(seen, everything=True)(disk())
    assert asked is not None
    assert asked.checker == "tur"


def test_a_device_without_a_wwid_is_asked_for_one() -> None:
    path = replace(disk(), udev={}, page83_cached=None, page83_device=None)
    assert probe(path).identity


def test_a_blacklisted_device_of_a_map_is_asked() -> None:
    there = san_snapshot(1, 2, existing=1.0)
    blacklisting = replace(there, config_files=(TextFile(CONFIG_FILE, BY_NODE),), paths=())
    probing = probing_in(blacklisting)
    assert probing(there.paths[0]) is not None
    assert probing(replace(there.paths[0], dev=DevT("8:160"))) is None


# ---- configurations that can't be used


def test_a_configuration_that_is_unusable_leaves_it_to_the_bus() -> None:
    seen = snapshot(disk(), config='blacklist {\n\tdevnode "(("\n}\n')
    assert probing_in(seen) is by_bus


def test_a_configuration_that_could_not_be_read_leaves_it_to_the_bus() -> None:
    seen = snapshot(disk(), gaps=(Gap("/etc/multipath.conf", "text", "EIO"),))
    assert probing_in(seen) is by_bus


def test_by_bus_a_disk_is_checked_by_tur() -> None:
    assert by_bus(disk()) == Probe(checker="tur", checker_timeout=20)
