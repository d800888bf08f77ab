"""What a cycle asks the disks of a host: the configured checker, and nothing of those that are blacklisted."""

import pytest

from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from observers.snapshot import DeviceName, Health, PathState, Snapshot

FILES = cycle.Files()
SAN = """array a
    vendor {vendor}
    product {product}
    revision 1.0
    node 200100a098d0b001
{more}    group 1 active/optimized p1
    group 2 active/optimized p2
    lun 0 size 1G naa 60014051ab0000000004000800000000
{pages}
adapter 0 fc q
    sees a p1 p2
file /etc/multipath.conf <<END
defaults {{
    find_multipaths greedy
{defaults}
}}
{sections}
END
"""


def host(
    hardware: tuple[str, str] = ("ACME", "Disk"),
    *,
    more: str = "",
    pages: str = "",
    defaults: str = "",
    sections: str = "",
) -> SandboxHost:
    vendor, product = hardware
    text = SAN.format(vendor=vendor, product=product, more=more, pages=pages, defaults=defaults, sections=sections)
    return SandboxHost(parse_scenario(text, file="x.san"))


def healths(sandbox: SandboxHost) -> list[Health]:
    return [path.health for path in cycle.observe(sandbox, FILES).paths]


def test_configured_checker_is_the_one_that_asks() -> None:
    sandbox = host(defaults="    path_checker directio\n    detect_checker no")
    assert healths(sandbox) == [Health("directio", PathState.UP, " reports path is up")] * 2
    assert sandbox.reads["direct_read"] == 2


def test_checker_timeout_ends_a_check() -> None:
    sandbox = host(defaults="    path_checker directio\n    checker_timeout 3\n    detect_checker no")
    sandbox.happen("link", "silent", "sda")
    waited = 30.0  # for the INQUIRY before it, as long as the kernel waits
    before = sandbox.monotonic()
    assert [health.state for health in healths(sandbox)] == [PathState.DOWN, PathState.UP]
    assert sandbox.monotonic() == before + waited + 3


def rdac(flags: int) -> str:
    return (bytes([0, 0xC9, 0, 0x2C]) + b"vac1" + bytes([flags]).ljust(40, b"\0")).hex()


@pytest.mark.parametrize("hardware", [("IBM", "1815"), ("ACME", "Disk")], ids=["in the device table", "unknown array"])
def test_rdac_array_is_found_by_its_page_and_asked_who_owns_the_volume(hardware: tuple[str, str]) -> None:
    pages = f"    page c9 group 1 {rdac(1)}\n    page c9 group 2 {rdac(0)}"
    sandbox = host(hardware, pages=pages)
    assert healths(sandbox) == [
        Health("rdac", PathState.UP, " reports path is up"),
        Health("rdac", PathState.GHOST, " reports path is ghost"),
    ]


def test_array_of_the_rdac_kind_without_the_page_is_asked_as_its_groups_suggest() -> None:
    sandbox = host(("IBM", "1815"), more="    tpgs implicit\n")
    assert [health.checker for health in healths(sandbox)] == ["tur", "tur"]


def test_blacklisted_disks_are_sent_nothing() -> None:
    sandbox = host(sections='blacklist {\n    devnode "^sd"\n}')
    snapshot = cycle.observe(sandbox, FILES)
    assert [path.health.state for path in snapshot.paths] == [PathState.UNCHECKED] * 2
    assert sandbox.reads["scsi_inquire"] == 0


def test_blacklisted_disks_are_asked_for_who_wants_everything() -> None:
    sandbox = host(sections='blacklist {\n    devnode "^sd"\n}')
    snapshot = cycle.observe(sandbox, FILES, everything=True)
    assert all(path.page83_device for path in snapshot.paths)


def test_configuration_that_cannot_be_used_still_gives_a_snapshot() -> None:
    sandbox = host(sections='blacklist {\n    devnode "(("\n}')
    assert healths(sandbox) == [Health("tur", PathState.UP, " reports path is up")] * 2


def path(snapshot: Snapshot, name: str) -> PathState:
    return next(path.health.state for path in snapshot.paths if path.name == DeviceName(name))


def test_access_state_that_has_just_changed_is_asked_past_its_unit_attention() -> None:
    sandbox = host(more="    tpgs implicit\n")
    sandbox.happen("alua", "a:2", "standby")
    snapshot = cycle.observe(sandbox, FILES)
    assert [each.alua.reported_state for each in snapshot.paths] == [0, 2]
    assert path(snapshot, "sdb") is PathState.GHOST
    assert snapshot.gaps == ()
