"""Loading tables: what dm-multipath's constructor and the core take, what they refuse, and what they print."""

import errno

import pytest

from controller.sandbox.host import SandboxHost
from observers.kernel.dm_ioctl import Command, Flag, Target, pack_targets
from tests.sandbox import dm
from tests.sandbox.test_dm_ioctls import refused

INACTIVE = Flag.DM_QUERY_INACTIVE_TABLE_FLAG


@pytest.fixture
def host() -> SandboxHost:
    host = dm.san(dm.PLAIN)
    dm.create(host)
    return host


TAKEN = {
    "no group": ("0 0 0 0", "0 0 0 0 "),
    "queueing": ("1 queue_if_no_path 0 0 0", "1 queue_if_no_path 0 0 0 "),
    "features in the kernel's order": (
        "7 queue_mode mq pg_init_delay_msecs 5 pg_init_retries 50 queue_if_no_path 0 0 0",
        "5 queue_if_no_path pg_init_retries 50 pg_init_delay_msecs 5 0 0 0 ",
    ),
    "a delay of 0 is not the default": ("2 pg_init_delay_msecs 0 0 0 0", "2 pg_init_delay_msecs 0 0 0 0 "),
    "retain": ("1 retain_attached_hw_handler 0 0 0", "1 retain_attached_hw_handler 0 0 0 "),
    "bio mode": ("2 queue_mode bio 0 0 0", "3 retain_attached_hw_handler queue_mode bio 0 0 0 "),
    "bio mode drops the handler": (
        "2 queue_mode bio 1 nosuch 0 0",
        "3 retain_attached_hw_handler queue_mode bio 0 0 0 ",
    ),
    "upper case": ("1 QUEUE_IF_NO_PATH 0 0 0", "1 queue_if_no_path 0 0 0 "),
    "service-time adds its throughput": (
        "0 0 1 1 service-time 0 1 1 8:0 1",
        "0 0 1 1 service-time 0 1 2 8:0 1 1 ",
    ),
    "service-time without arguments": ("0 0 1 1 service-time 0 1 0 8:0", "0 0 1 1 service-time 0 1 2 8:0 1 1 "),
    "service-time with a throughput": (
        "0 0 1 1 service-time 0 1 2 8:0 7 100",
        "0 0 1 1 service-time 0 1 2 8:0 1 100 ",
    ),
    "a repeat count becomes 1": ("0 0 1 1 round-robin 0 1 1 8:0 1000", "0 0 1 1 round-robin 0 1 1 8:0 1 "),
    "queue-length": ("0 0 1 1 queue-length 0 1 1 8:0 7", "0 0 1 1 queue-length 0 1 1 8:0 1 "),
    "selector arguments are dropped": ("0 0 1 1 round-robin 1 5 1 1 8:0 1", "0 0 1 1 round-robin 0 1 1 8:0 1 "),
    "historical-service-time": (
        "0 0 1 1 historical-service-time 2 500 3 1 1 8:0 1",
        "0 0 1 1 historical-service-time 2 500 3 1 1 8:0 0 ",
    ),
    "io-affinity": ("0 0 1 1 io-affinity 0 1 1 8:0 0F", "0 0 1 1 io-affinity 0 1 1 8:0 f "),
    "an initial group beyond the last": (
        "0 0 1 5 round-robin 0 1 1 8:0 1",
        "0 0 1 1 round-robin 0 1 1 8:0 1 ",
    ),
    "the second group first": (
        "0 0 2 2 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:64 1",
        "0 0 2 2 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:64 1 ",
    ),
    "a path twice": ("0 0 1 1 round-robin 0 2 1 8:0 1 8:0 1", "0 0 1 1 round-robin 0 2 1 8:0 1 8:0 1 "),
    "hp_sw fits any disk": ("0 1 hp_sw 1 1 round-robin 0 1 1 8:0 1", "0 1 hp_sw 1 1 round-robin 0 1 1 8:0 1 "),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_table_that_is_taken_reads_back_as_the_kernel_prints_it(host: SandboxHost, case: str) -> None:
    params, printed = TAKEN[case]
    dm.load(host, params)
    assert dm.table(host, flags=INACTIVE) == printed


REFUSED = {
    "nothing": ("", errno.EINVAL),
    "too many features": ("9 a b c d e f g h i 0 0 0", errno.EINVAL),
    "fewer features than announced": ("3 queue_if_no_path", errno.EINVAL),
    "an unknown feature": ("1 nosuch 0 0 0", errno.EINVAL),
    "no retries": ("2 pg_init_retries 0 0 0 0", errno.EINVAL),
    "too many retries": ("2 pg_init_retries 51 0 0 0", errno.EINVAL),
    "retries without a number": ("1 pg_init_retries 0 0 0", errno.EINVAL),
    "too long a delay": ("2 pg_init_delay_msecs 60001 0 0 0", errno.EINVAL),
    "an unknown queue mode": ("2 queue_mode fast 0 0 0", errno.EINVAL),
    "no number of features": ("x 0 0 0", errno.EINVAL),
    "no handler words": ("0 1", errno.EINVAL),
    "no group count": ("0 0", errno.EINVAL),
    "no initial group": ("0 0 1", errno.EINVAL),
    "groups and no initial one": ("0 0 1 0 round-robin 0 1 1 8:0 1", errno.EINVAL),
    "an initial group and none": ("0 0 0 1", errno.EINVAL),
    "fewer groups than announced": ("0 0 2 1 round-robin 0 1 1 8:0 1", errno.EINVAL),
    "more groups than announced": (
        "0 0 1 1 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:64 1",
        errno.EINVAL,
    ),
    "a group of one word": ("0 0 1 1 round-robin", errno.EINVAL),
    "an unknown selector": ("0 0 1 1 nosuch 0 1 1 8:0 1", errno.EINVAL),
    "a group without paths": ("0 0 1 1 round-robin 0 0 1", errno.EINVAL),
    "a path without its argument": ("0 0 1 1 round-robin 0 1 1 8:0", errno.EINVAL),
    "too many arguments for round-robin": ("0 0 1 1 round-robin 0 1 2 8:0 1 1", errno.EINVAL),
    "too many arguments for queue-length": ("0 0 1 1 queue-length 0 1 2 8:0 1 1", errno.EINVAL),
    "too many arguments for service-time": ("0 0 1 1 service-time 0 1 3 8:0 1 1 1", errno.EINVAL),
    "too much throughput": ("0 0 1 1 service-time 0 1 2 8:0 1 101", errno.EINVAL),
    "no repeat count": ("0 0 1 1 service-time 0 1 1 8:0 x", errno.EINVAL),
    "too many weights": ("0 0 1 1 historical-service-time 3 1 2 3 1 1 8:0 1", errno.EINVAL),
    "too large a weight": ("0 0 1 1 historical-service-time 1 1024 1 1 8:0 1", errno.EINVAL),
    "no processors": ("0 0 1 1 io-affinity 0 1 1 8:0 0", errno.EINVAL),
    "no mask": ("0 0 1 1 io-affinity 0 1 0 8:0", errno.EINVAL),
    "a device that is not there": ("0 0 1 1 round-robin 0 1 1 99:99 1", errno.ENXIO),
    "a number that can't be": ("0 0 1 1 round-robin 0 1 1 5000:1 1", errno.EOVERFLOW),
    "a word for a device": ("0 0 1 1 round-robin 0 1 1 sda 1", errno.ENODEV),
    "a node, which a sandbox has not": ("0 0 1 1 round-robin 0 1 1 /dev/sda 1", errno.ENOENT),
    "itself": ("0 0 1 1 round-robin 0 1 1 253:0 1", errno.EINVAL),
    "an unknown handler": ("0 1 nosuch 1 1 round-robin 0 1 1 8:0 1", errno.EINVAL),
    "alua on a disk that has none": ("0 1 alua 1 1 round-robin 0 1 1 8:0 1", errno.ENODEV),
    "emc on another array": ("0 1 emc 1 1 round-robin 0 1 1 8:0 1", errno.ENODEV),
    "rdac on another array": ("0 1 rdac 1 1 round-robin 0 1 1 8:0 1", errno.EINVAL),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_is_refused(host: SandboxHost, case: str) -> None:
    params, error = REFUSED[case]
    refused(error, lambda: dm.load(host, params))
    assert not dm.info(host).flags & Flag.DM_INACTIVE_PRESENT_FLAG
    assert all(disk.holders == [] for disk in host.kernel.disks)


def test_a_refused_table_leaves_the_inactive_one(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    refused(errno.ENXIO, lambda: dm.load(host, "0 0 1 1 round-robin 0 1 1 99:99 1"))
    assert dm.table(host, flags=INACTIVE) == "0 0 1 1 round-robin 0 1 1 8:0 1 "


def test_another_handler_that_is_attached_wins_over_the_tables() -> None:
    host = dm.san()
    dm.create(host)
    dm.load(host, "0 1 hp_sw 1 1 round-robin 0 1 1 8:0 1")
    assert dm.table(host, flags=INACTIVE) == "0 1 alua 1 1 round-robin 0 1 1 8:0 1 "


def test_an_attached_handler_is_retained_when_the_table_says_so() -> None:
    host = dm.san()
    dm.create(host)
    dm.load(host, "1 retain_attached_hw_handler 0 1 1 round-robin 0 1 1 8:0 1")
    assert dm.table(host, flags=INACTIVE) == "1 retain_attached_hw_handler 1 alua 1 1 round-robin 0 1 1 8:0 1 "


def test_without_handler_and_retain_the_attached_one_is_not_used() -> None:
    host = dm.san()
    dm.create(host)
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    assert dm.table(host, flags=INACTIVE) == "0 0 1 1 round-robin 0 1 1 8:0 1 "


# ---- devices below


def test_a_disk_that_is_mounted_is_busy(host: SandboxHost) -> None:
    host.happen("mount", "sda")
    refused(errno.EBUSY, lambda: dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1"))
    host.happen("unmount", "sda")
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")


def test_two_maps_may_share_a_disk(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    dm.start(host, "0 0 1 1 round-robin 0 1 1 8:0 1", name="n", uuid="n")
    assert host.list_directory("/sys/block/sda/holders") == ("dm-0", "dm-1")


def test_an_offline_disk_can_not_be_opened(host: SandboxHost) -> None:
    host.happen("offline", "sda")
    refused(errno.ENXIO, lambda: dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1"))


def test_an_offline_disk_that_the_map_has_already_stays_usable_in_tables(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 2 1 8:0 1 8:64 1")
    dm.resume(host)
    host.happen("offline", "sda")
    dm.load(host, "0 0 2 1 round-robin 0 1 1 8:64 1 round-robin 0 1 1 8:0 1")


def test_a_deleted_disk_that_the_map_has_already_stays_usable_in_tables(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 2 1 8:0 1 8:64 1")
    dm.resume(host)
    host.happen("delete", "sda")
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    dm.create(host, "n", "n")
    refused(errno.ENXIO, lambda: dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1", name="n"))


def test_a_read_only_disk_needs_a_read_only_table() -> None:
    host = dm.san(dm.PLAIN, "now protect plain:0 on\nnow rescan sda sde\n")
    dm.create(host)
    params = "0 0 1 1 round-robin 0 1 1 8:0 1"
    refused(errno.EROFS, lambda: dm.load(host, params))
    dm.load(host, params, flags=Flag.DM_READONLY_FLAG)
    assert dm.resume(host).flags & Flag.DM_READONLY_FLAG
    assert host.read_file("/sys/block/dm-0/ro") == b"1\n"


def test_a_read_only_map_needs_a_read_only_table_on_top(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1", flags=Flag.DM_READONLY_FLAG)
    dm.resume(host)
    dm.create(host, "lv", "lv")
    refused(errno.EACCES, lambda: dm.load(host, "253:0 0", name="lv", kind="linear"))


def test_a_first_table_larger_than_its_disk_is_refused_when_it_is_loaded(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1", size=dm.SIZE + 1))


def test_a_later_table_larger_than_its_disk_is_taken_when_it_is_loaded(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1", size=dm.SIZE + 1)


def test_a_request_based_map_can_not_stand_on_a_bio_based_device(host: SandboxHost) -> None:
    dm.create(host, "lv", "lv")
    dm.load(host, "8:0 0", name="lv", kind="linear")
    dm.resume(host, "lv")
    refused(errno.EINVAL, lambda: dm.load(host, "0 0 1 1 round-robin 0 1 1 253:1 1"))


# ---- the core


def load_lines(host: SandboxHost, *lines: Target) -> None:
    payload = pack_targets(lines, reply=False)
    dm.call(host, Command.DM_TABLE_LOAD, name="m", payload=payload, count=len(lines))


def test_a_load_without_targets(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: load_lines(host))


def test_an_unknown_target_type(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: dm.load(host, "8:0 0", kind="nosuch"))


def test_a_target_without_sectors(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: dm.load(host, "0 0 0 0", size=0))


def test_lines_must_follow_each_other(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: load_lines(host, Target(8, 8, "linear", "8:0 0")))
    refused(errno.EINVAL, lambda: load_lines(host, Target(0, 8, "linear", "8:0 0"), Target(16, 8, "linear", "8:0 8")))
    load_lines(host, Target(0, 8, "linear", "8:0 0"), Target(8, 8, "linear", "8:0 8"))
    assert [target.params for target in dm.targets(host, flags=INACTIVE | Flag.DM_STATUS_TABLE_FLAG)] == [
        "8:0 0",
        "8:0 8",
    ]


def test_multipath_stands_alone_in_its_table(host: SandboxHost) -> None:
    multipath, linear = Target(0, 8, "multipath", "0 0 0 0"), Target(8, 8, "linear", "8:0 8")
    refused(errno.EINVAL, lambda: load_lines(host, multipath, linear))
    refused(
        errno.EINVAL, lambda: load_lines(host, Target(0, 8, "linear", "8:0 0"), Target(8, 8, "multipath", "0 0 0 0"))
    )


@pytest.mark.parametrize("params", ["8:0", "8:0 0 0", "8:0 x"])
def test_linear_takes_a_device_and_a_sector(host: SandboxHost, params: str) -> None:
    refused(errno.EINVAL, lambda: dm.load(host, params, kind="linear"))


def test_multipath_can_only_be_replaced_by_multipath_or_error(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    dm.resume(host)
    refused(errno.EINVAL, lambda: dm.load(host, "8:0 0", kind="linear"))
    dm.load(host, "", kind="error")
    dm.load(host, "0 0 0 0")


def test_the_queue_mode_of_a_map_can_not_change(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    dm.resume(host)
    refused(errno.EINVAL, lambda: dm.load(host, "2 queue_mode bio 0 1 1 round-robin 0 1 1 8:0 1"))


def test_clear_empties_the_inactive_slot(host: SandboxHost) -> None:
    dm.load(host, "0 0 1 1 round-robin 0 1 1 8:0 1")
    assert dm.info(host).flags & Flag.DM_INACTIVE_PRESENT_FLAG
    dm.call(host, Command.DM_TABLE_CLEAR, name="m")
    assert not dm.info(host).flags & Flag.DM_INACTIVE_PRESENT_FLAG
    assert host.list_directory("/sys/block/sda/holders") == ()
