"""md arrays from /proc/mdstat and sysfs."""

import errno

import pytest

from observers.collect import collect
from observers.dmtable import DevT, Sectors
from observers.mdstat import MdStat, StatArray, StatMember, multipath_left, observe, parse
from observers.snapshot import DeviceName, HostFacts, MdArray, MdMember
from tests.observers.fake_host import FakeHost

UUID = "7f2301cc-57d0-b207-644f-77cf597cd811"

TEXT = """Personalities : [raid1] [multipath]\x20
md0 : active multipath sda[3] sdc[0](F) sdb[1]
      64512 blocks super 1.2 [3/2] [_UU]
     \x20
md1 : active (auto-read-only) raid1 sdd1[0] sde1[1](W)(S)
      20416 blocks super 1.2 [2/2] [UU]
      bitmap: 0/1 pages [0KB], 65536KB chunk

md127 : inactive sdf[0](S)
      20448 blocks super 1.2

unused devices: <none>
"""


def host_with_md0() -> FakeHost:
    """md0 over sda, which works, and sdc, which has failed and is gone."""
    md = "/sys/block/md0/md"
    texts = {
        "/sys/block/md0/dev": "9:0",
        "/sys/block/md0/size": "129024",
        f"{md}/level": "multipath",
        f"{md}/array_state": "clean",
        f"{md}/uuid": UUID,
        f"{md}/metadata_version": "1.2",
        f"{md}/raid_disks": "2",
        f"{md}/dev-sda/state": "in_sync",
        f"{md}/dev-sda/slot": "1",
        f"{md}/dev-sda/errors": "4",
        f"{md}/dev-sda/block/dev": "8:0",
        f"{md}/dev-sda/block/size": "131072",
        f"{md}/dev-sdc/state": "faulty,blocked",
        f"{md}/dev-sdc/slot": "none",
        f"{md}/dev-sdc/errors": "0",
    }
    host = FakeHost(files={path: f"{text}\n".encode() for path, text in texts.items()})
    host.directories[md] = ["level", "dev-sda", "dev-sdc", "rd1"]
    status = "Personalities : [multipath] \nmd0 : active multipath sda[1] sdc[0](F)\n"
    host.files["/proc/mdstat"] = status.encode()
    return host


SDA = MdMember(
    name=DeviceName("sda"), dev=DevT("8:0"), size=Sectors(131072), state=("in_sync",), slot=1, errors=4
)  # fmt: skip
SDC = MdMember(name=DeviceName("sdc"), dev=None, size=Sectors(0), state=("faulty", "blocked"))
MD0 = MdArray(
    name=DeviceName("md0"), dev=DevT("9:0"), level="multipath", state="clean", uuid=UUID, metadata="1.2", disks=2,
    size=Sectors(129024), members=(SDA, SDC),
)  # fmt: skip


def test_text_of_mdstat() -> None:
    def member(name: str, number: int, marks: str = "") -> StatMember:
        return StatMember(DeviceName(name), number, marks)

    assert parse(TEXT) == MdStat(
        ("raid1", "multipath"),
        (
            StatArray(
                name=DeviceName("md0"), active=True, level="multipath",
                members=(member("sda", 3), member("sdc", 0, "F"), member("sdb", 1)),
            ),
            StatArray(
                name=DeviceName("md1"), active=True, level="raid1", access="auto-read-only",
                members=(member("sdd1", 0), member("sde1", 1, "WS")),
            ),
            StatArray(name=DeviceName("md127"), active=False, members=(member("sdf", 0, "S"),)),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "Personalities : \nunused devices: <none>\n", "garbage\n\0 : active\n"])
def test_text_without_arrays(text: str) -> None:
    assert parse(text).personalities == ()
    assert [array.members for array in parse(text).arrays if array.members] == []


def test_an_array_with_its_members() -> None:
    seen = observe(host_with_md0())
    assert seen.arrays == (MD0,)
    assert (seen.personalities, seen.gaps) == (("multipath",), ())


def test_a_member_is_faulty_by_its_word_alone() -> None:
    assert [member.faulty for member in MD0.members] == [False, True]


def test_no_md_driver_is_no_gap() -> None:
    seen = observe(FakeHost())
    assert (seen.personalities, seen.arrays, seen.gaps) == (None, (), ())


def test_an_array_that_vanishes_meanwhile_is_not_there() -> None:
    host = host_with_md0()
    del host.files["/sys/block/md0/dev"]
    assert observe(host).arrays == ()


def test_a_member_that_vanishes_meanwhile_is_not_there() -> None:
    host = host_with_md0()
    del host.files["/sys/block/md0/md/dev-sdc/state"]
    assert [member.name for member in observe(host).arrays[0].members] == ["sda"]


def test_what_can_not_be_read_is_a_gap() -> None:
    host = host_with_md0()
    host.refuse("/sys/block/md0/md/uuid", errno.EACCES)
    seen = observe(host)
    assert seen.arrays[0].uuid == ""
    assert [(gap.subject, gap.what) for gap in seen.gaps] == [("md0", "uuid")]


def test_a_snapshot_has_the_arrays() -> None:
    snapshot = collect(host_with_md0())
    assert snapshot.md_arrays == (MD0,)
    assert snapshot.host.md_personalities == ("multipath",)


@pytest.mark.parametrize(
    ("release", "personalities", "left"),
    [
        ("6.1.0-44-amd64", (), False),
        ("6.7.12", None, False),
        ("6.8.0", (), True),
        ("6.12.9+deb12-amd64", None, True),
        ("7.0.1", ("raid1",), True),
        ("6.8.0-patched", ("multipath",), False),
        ("unknown", None, False),
    ],
)
def test_kernels_that_have_no_md_multipath_any_more(
    release: str, personalities: tuple[str, ...] | None, left: bool
) -> None:
    facts = HostFacts(
        kernel_release=release, dm_version=None, multipath_target=None, md_personalities=personalities
    )  # fmt: skip
    assert multipath_left(facts) is left
