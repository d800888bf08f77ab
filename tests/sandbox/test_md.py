"""The md driver of the sandbox: texts as the kernel's, refusals as the kernel's."""

import errno

import pytest

from controller.sandbox.block import Result
from controller.sandbox.scenario import parse_scenario
from controller.sandbox.scenario_text import format_scenario
from observers.errors import ConfigError, InputError
from observers.snapshot import DeviceName
from tests.md.worlds import SAN, states, world

MD = "/sys/block/md0/md"


def refused(events: str, file: str, data: bytes) -> str:
    """The name of the errno of a write, or `done`."""
    host = world(events)
    try:
        host.write_attribute(f"{MD}/{file}", data)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ("1.2", "md0 : active multipath sda[0] sdb[1] sdc[2]\n      64512 blocks super 1.2 [3/3] [UUU]\n"),
        ("1.1", "md0 : active multipath sda[0] sdb[1] sdc[2]\n      64512 blocks super 1.1 [3/3] [UUU]\n"),
        ("1.0", "md0 : active multipath sda[0] sdb[1] sdc[2]\n      65520 blocks super 1.0 [3/3] [UUU]\n"),
        ("0.90", "md0 : active multipath sda[0] sdb[1] sdc[2]\n      65472 blocks [3/3] [UUU]\n"),
    ],
)
def test_mdstat(metadata: str, text: str) -> None:
    status = world(metadata=metadata).read_file("/proc/mdstat").decode()
    assert status == f"Personalities : [multipath] \n{text}      \nunused devices: <none>\n"


def test_mdstat_of_a_member_that_failed() -> None:
    status = world("now md-fail md0 sda\n").read_file("/proc/mdstat").decode()
    assert "sda[0](F) sdb[1] sdc[2]\n      64512 blocks super 1.2 [3/2] [_UU]\n" in status


def test_superblocks_0_90_number_a_failed_member_after_the_others() -> None:
    status = world("now md-fail md0 sda\n", metadata="0.90").read_file("/proc/mdstat").decode()
    assert "sda[3](F) sdb[1] sdc[2]\n" in status


FAILED = "now md-fail md0 sda\n"
OFFLINE = FAILED + "now offline sda\n"


@pytest.mark.parametrize(
    ("events", "file", "data", "outcome"),
    [
        ("", "dev-sda/state", b"remove", "EBUSY"),
        ("", "dev-sda/state", b"re-add", "EBUSY"),
        ("", "dev-sda/state", b"nonsense", "EINVAL"),
        ("", "dev-sda/state", b"faulty\n", "done"),
        ("", "dev-sda/slot", b"0", "EBUSY"),
        ("", "dev-sda/slot", b"x", "EINVAL"),
        ("", "dev-sdd/state", b"re-add", "ENOENT"),
        ("", "level", b"raid1", "EACCES"),
        ("", "new_dev", b"8:0", "EBUSY"),
        ("", "new_dev", b"8:48", "done"),
        ("", "new_dev", b"999:99", "ENXIO"),
        ("", "new_dev", b"sdd", "EINVAL"),
        ("now mount sdd\n", "new_dev", b"8:48", "EBUSY"),
        ("now offline sdd\n", "new_dev", b"8:48", "ENXIO"),
        (FAILED, "dev-sda/state", b"re-add", "done"),
        (OFFLINE, "dev-sda/state", b"re-add", "done"),
        (FAILED, "dev-sda/state", b"remove", "done"),
        (FAILED, "new_dev", b"8:0", "EBUSY"),
    ],
)
def test_what_a_write_comes_to(events: str, file: str, data: bytes, outcome: str) -> None:
    assert refused(events, file, data) == outcome


def test_a_member_that_can_not_be_reached_fails_again_at_once() -> None:
    host = world(OFFLINE)
    host.write_attribute(f"{MD}/dev-sda/state", b"re-add")
    assert states(host)["sda"] == "faulty None"


def test_a_member_that_is_given_back_takes_the_first_place_that_is_free() -> None:
    host = world("now md-fail md0 sda sdb\n")
    for disk in ("sdb", "sda"):
        host.write_attribute(f"{MD}/dev-{disk}/state", b"re-add")
    assert states(host) == {"sda": "in_sync 1", "sdb": "in_sync 0", "sdc": "in_sync 2"}


def test_a_disk_with_another_superblock_is_not_taken() -> None:
    host = world()
    host.kernel.arrays["debug"].units[0].medium.clear()
    with pytest.raises(OSError, match="sdd") as caught:
        host.write_attribute(f"{MD}/new_dev", b"8:48")
    assert caught.value.errno == errno.EINVAL


def test_requests_go_on_by_another_path_and_the_first_is_out_of_use() -> None:
    host = world("now link no-connect sda\nnow md-io md0 write\n")
    assert [io.result for io in host.requests] == [Result.DONE]
    assert states(host)["sda"] == "faulty None"


def test_the_last_path_is_never_put_out_of_use() -> None:
    host = world("now md-fail md0 sda sdb sdc\n")
    assert states(host)["sdc"] == "in_sync 2"


def test_every_change_is_an_event_but_a_place() -> None:
    host = world("now md-fail md0 sda\n")
    before = host.kernel.md.events
    host.write_attribute(f"{MD}/dev-sda/state", b"remove")
    host.write_attribute(f"{MD}/new_dev", b"8:0")
    assert host.kernel.md.events == before + 2
    host.write_attribute(f"{MD}/dev-sda/slot", b"0")
    assert host.kernel.md.events == before + 2


def test_members_are_in_use_and_free_again_when_they_are_removed() -> None:
    host = world("now md-fail md0 sda\n")
    with pytest.raises(OSError, match="sda"):
        host.open_exclusively(DeviceName("sda"))
    host.write_attribute(f"{MD}/dev-sda/state", b"remove")
    host.open_exclusively(DeviceName("sda"))


def test_a_member_that_was_deleted_is_known_and_has_no_number() -> None:
    host = world("now md-fail md0 sda\nnow delete sda\n")
    assert states(host)["sda"] == "faulty None"
    with pytest.raises(OSError, match="dev"):
        host.read_file(f"{MD}/dev-sda/block/dev")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("md sda\n", "not an array's name"),
        ("md md1\n    metadata 2.0\n", "not a version"),
        ("md md1\n    uuid 1\n", "not a UUID"),
        ("md md0\n    members sdd\n", "there already"),
        ("now md-fail sda sdb\n", "md array's name"),
    ],
)
def test_words_that_are_none(section: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_scenario(SAN.format(metadata="1.2") + section, file="md.san")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("md md1\n    members sdz\n", "no such disk"),
        ("md md1\n", "needs members"),
        ("md md1\n    members sdd sdd\n", "each once"),
        ("md md1\n    members sda\n", "in use"),
        ("now md-fail md7 sda\n", "no such md array"),
    ],
)
def test_arrays_that_can_not_be(section: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        world(section)


def test_a_scenario_with_an_array_is_written_and_read_the_same() -> None:
    text = SAN.format(metadata="0.90") + "    disks 2\nnow md-io md0 read\n"
    scenario = parse_scenario(text, file="md.san")
    assert scenario.md[0].disks == 2
    assert parse_scenario(format_scenario(scenario), file="md.san") == scenario
