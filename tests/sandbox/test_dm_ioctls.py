"""The control node: which device a header names, what each command refuses, what is copied back."""

import errno
import struct
from collections.abc import Callable

import pytest

from controller.sandbox.host import SandboxHost
from observers.kernel.dm_ioctl import (
    MINIMUM_SIZE,
    NO_FLAGS,
    Command,
    Flag,
    Header,
    ListedDevice,
    TargetVersion,
    pack,
    unpack,
    unpack_deps,
    unpack_devices,
    unpack_versions,
)
from tests.sandbox import dm

ONE = "0 0 1 1 service-time 0 2 1 8:0 1 8:32 1"


@pytest.fixture
def host() -> SandboxHost:
    return dm.san()


def refused(error: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 -- the errno is what is tested
        call()
    assert errno.errorcode[caught.value.errno or 0] == errno.errorcode[error]


# ---- names


def test_create_reports_the_device_number_and_no_table(host: SandboxHost) -> None:
    header = dm.create(host)
    assert header.dev == 253 << 8
    assert header.flags == NO_FLAGS
    assert header.data_size == MINIMUM_SIZE


@pytest.mark.parametrize("name", ["a/b", ".", "..", "control"])
def test_create_refuses_names_that_would_not_do_under_dev_mapper(host: SandboxHost, name: str) -> None:
    refused(errno.EINVAL, lambda: dm.create(host, name))


def test_create_refuses_an_empty_name(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: dm.create(host, ""))


def test_create_refuses_a_name_in_use(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.EBUSY, lambda: dm.create(host, "m", "other"))


def test_create_refuses_a_uuid_in_use(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.EBUSY, lambda: dm.create(host, "other", "test-m"))


def test_a_refused_create_leaves_no_device(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.EBUSY, lambda: dm.create(host, "other", "test-m"))
    refused(errno.ENXIO, lambda: dm.info(host, "other"))


def test_minors_are_the_lowest_free_ones(host: SandboxHost) -> None:
    for name in "abc":
        dm.create(host, name, name)
    dm.remove(host, "b")
    assert dm.create(host, "d", "d").dev == 253 << 8 | 1


def test_a_minor_that_was_asked_for_and_is_in_use_is_refused(host: SandboxHost) -> None:
    dm.create(host)
    flags = Flag.DM_PERSISTENT_DEV_FLAG
    refused(errno.EBUSY, lambda: dm.call(host, Command.DM_DEV_CREATE, name="x", dev="253:0", flags=flags))


@pytest.mark.parametrize(
    "named", [{"name": "m"}, {"uuid": "test-m"}, {"dev": "253:0"}], ids=["by name", "by uuid", "by number"]
)
def test_a_device_is_found_and_the_header_filled(host: SandboxHost, named: dict[str, str]) -> None:
    dm.create(host)
    header, _ = dm.call(host, Command.DM_DEV_STATUS, **named)  # type: ignore[arg-type]
    assert (header.name, header.uuid, header.dev) == ("m", "test-m", 253 << 8)


def test_name_and_uuid_together_are_invalid(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.EINVAL, lambda: dm.call(host, Command.DM_DEV_STATUS, name="m", uuid="test-m"))


@pytest.mark.parametrize(
    "named",
    [{"name": "m", "dev": "253:0"}, {"uuid": "test-m", "dev": "253:0"}, {}, {"name": "no"}, {"uuid": "no"}],
    ids=["name and number", "uuid and number", "nothing", "unknown name", "unknown uuid"],
)
def test_headers_that_name_no_device(host: SandboxHost, named: dict[str, str]) -> None:
    dm.create(host)
    refused(errno.ENXIO, lambda: dm.call(host, Command.DM_DEV_STATUS, **named))  # type: ignore[arg-type]


# ---- versions and lists


def test_the_version_is_the_kernels(host: SandboxHost) -> None:
    assert dm.call(host, Command.DM_VERSION)[0].version == (4, 47, 0)


@pytest.mark.parametrize("version", [(3, 0, 0), (5, 0, 0), (4, 48, 0)])
def test_an_interface_version_that_the_kernel_does_not_have_is_refused(
    host: SandboxHost, version: tuple[int, int, int]
) -> None:
    refused(errno.EINVAL, lambda: host.dm_query(Command.DM_LIST_DEVICES, pack(Header(version=version), size=512)))


def test_target_versions(host: SandboxHost) -> None:
    _, payload = dm.call(host, Command.DM_LIST_VERSIONS)
    assert TargetVersion("multipath", (1, 14, 0)) in unpack_versions(payload)


def test_one_targets_version(host: SandboxHost) -> None:
    _, payload = dm.call(host, Command.DM_GET_TARGET_VERSION, name="multipath")
    assert unpack_versions(payload) == (TargetVersion("multipath", (1, 14, 0)),)
    refused(errno.EINVAL, lambda: dm.call(host, Command.DM_GET_TARGET_VERSION, name="nosuch"))


def test_devices_are_listed_in_the_order_of_their_names(host: SandboxHost) -> None:
    dm.create(host, "b", "uuid-b")
    dm.create(host, "a", "")
    _, payload = dm.call(host, Command.DM_LIST_DEVICES, flags=Flag.DM_UUID_FLAG)
    listed = unpack_devices(payload)
    assert [(device.name, device.uuid, device.event_nr) for device in listed] == [("a", "", 0), ("b", "uuid-b", 0)]


def test_the_list_can_be_filtered_by_the_beginning_of_the_uuid(host: SandboxHost) -> None:
    dm.create(host, "a", "mpath-a")
    dm.create(host, "b", "LVM-b")
    _, payload = dm.call(host, Command.DM_LIST_DEVICES, uuid="mpath-")
    assert [device.name for device in unpack_devices(payload)] == ["a"]


def test_an_empty_list_is_a_record_with_number_zero(host: SandboxHost) -> None:
    header, payload = dm.call(host, Command.DM_LIST_DEVICES)
    assert payload == bytes(16)
    assert unpack_devices(payload) == ()
    assert header.data_size == 312 + 16


def test_a_list_that_does_not_fit_says_so(host: SandboxHost) -> None:
    dm.create(host)
    header, payload = dm.call(host, Command.DM_LIST_DEVICES, size=320)
    assert header.flags & Flag.DM_BUFFER_FULL_FLAG
    assert header.data_size == MINIMUM_SIZE
    assert payload == b""


def test_devices_without_the_uuid_flag(host: SandboxHost) -> None:
    dm.create(host)
    _, payload = dm.call(host, Command.DM_LIST_DEVICES)
    (device,) = unpack_devices(payload)
    assert isinstance(device, ListedDevice)
    assert device.uuid is None


# ---- buffers


def test_a_status_that_just_fits_is_called_too_long(host: SandboxHost) -> None:
    dm.start(host, ONE)
    text = dm.table(host)
    exact = 312 + 40 + len(text) + 1
    flags = Flag.DM_STATUS_TABLE_FLAG
    full, _ = dm.call(host, Command.DM_TABLE_STATUS, name="m", flags=flags, size=exact)
    fits, _ = dm.call(host, Command.DM_TABLE_STATUS, name="m", flags=flags, size=exact + 8)
    assert full.flags & Flag.DM_BUFFER_FULL_FLAG
    assert full.target_count == 1
    assert not fits.flags & Flag.DM_BUFFER_FULL_FLAG


def test_dependencies_that_do_not_fit_say_so(host: SandboxHost) -> None:
    dm.start(host, ONE)
    header, _ = dm.call(host, Command.DM_TABLE_DEPS, name="m", size=330)
    assert header.flags & Flag.DM_BUFFER_FULL_FLAG


def test_dependencies_are_the_latest_first(host: SandboxHost) -> None:
    dm.start(host, ONE)
    _, payload = dm.call(host, Command.DM_TABLE_DEPS, name="m")
    assert unpack_deps(payload) == ("8:32", "8:0")


def test_bytes_beyond_what_is_copied_back_stay_the_callers(host: SandboxHost) -> None:
    request = pack(Header(name="m"), size=400)[:350] + b"\xaa" * 50
    dm.create(host)
    reply = host.dm_query(Command.DM_DEV_STATUS, request)
    assert len(reply) == 400
    assert reply[350:] == b"\xaa" * 50


def test_a_short_buffer_is_refused(host: SandboxHost) -> None:
    refused(errno.EINVAL, lambda: host.dm_query(Command.DM_LIST_DEVICES, b"\x04\0\0\0"))


def test_a_command_that_the_kernel_does_not_have(host: SandboxHost) -> None:
    refused(errno.ENOTTY, lambda: host.dm_change(77, pack(Header())))


def test_a_query_must_be_one_that_reads(host: SandboxHost) -> None:
    refused(errno.EPERM, lambda: host.dm_query(Command.DM_DEV_CREATE, pack(Header(name="x"))))


def test_a_payload_whose_offsets_lie_is_refused(host: SandboxHost) -> None:
    dm.create(host)
    payload = struct.pack("=QQiI16s", 0, 8, 0, 4096, b"multipath") + b"0 0 0 0\0"
    refused(errno.EINVAL, lambda: dm.call(host, Command.DM_TABLE_LOAD, name="m", payload=payload, count=2))


def test_no_device_mapper_in_the_kernel() -> None:
    host = dm.san(more="host\n device-mapper off\n")
    refused(errno.ENOENT, lambda: dm.call(host, Command.DM_VERSION))


def test_only_root_may_use_the_control_node() -> None:
    host = dm.san(more="host\n user 1000\n")
    refused(errno.EACCES, lambda: host.dm_query(Command.DM_VERSION, pack(Header())))
    refused(errno.EACCES, lambda: dm.create(host))


# ---- rename


def test_rename_counts_an_event_and_sends_a_uevent_with_the_cookie(host: SandboxHost) -> None:
    dm.start(host, ONE)
    before = dm.info(host).event_nr
    header = dm.rename(host, "new")
    assert header.flags & Flag.DM_UEVENT_GENERATED_FLAG
    assert dm.info(host, "new").event_nr == before + 1
    assert host.uevents.of("dm-0")[-1].action == "change"


@pytest.mark.parametrize("name", ["m", "other"], ids=["to its own name", "to another's name"])
def test_rename_to_a_name_in_use(host: SandboxHost, name: str) -> None:
    dm.create(host)
    dm.create(host, "other", "test-other")
    refused(errno.EBUSY, lambda: dm.rename(host, name))


@pytest.mark.parametrize("name", ["", "a/b", "x" * 128], ids=["empty", "with a slash", "too long"])
def test_rename_to_a_name_that_is_none(host: SandboxHost, name: str) -> None:
    dm.create(host)
    refused(errno.EINVAL, lambda: dm.rename(host, name))


def test_rename_of_no_device(host: SandboxHost) -> None:
    refused(errno.ENXIO, lambda: dm.rename(host, "x", name="nosuch"))


def test_rename_finds_by_name_only(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.ENXIO, lambda: dm.call(host, Command.DM_DEV_RENAME, uuid="test-m", payload=b"x\0"))


def test_a_uuid_can_be_set_once(host: SandboxHost) -> None:
    dm.create(host, "m", "")
    dm.rename(host, "first", flags=Flag.DM_UUID_FLAG)
    assert dm.info(host).uuid == "first"
    refused(errno.EINVAL, lambda: dm.rename(host, "second", flags=Flag.DM_UUID_FLAG))


# ---- remove


def test_remove_of_a_device_that_is_open(host: SandboxHost) -> None:
    dm.start(host, ONE)
    host.happen("open", "m")
    refused(errno.EBUSY, lambda: dm.remove(host))
    host.happen("close", "m")
    dm.remove(host)
    refused(errno.ENXIO, lambda: dm.info(host))


def test_remove_of_a_device_that_another_one_stands_on(host: SandboxHost) -> None:
    dm.start(host, ONE)
    dm.create(host, "lv", "LVM-lv")
    dm.load(host, "253:0 0", name="lv", kind="linear")
    refused(errno.EBUSY, lambda: dm.remove(host))
    dm.remove(host, "lv")
    dm.remove(host)


def test_a_deferred_removal_is_done_at_the_last_close(host: SandboxHost) -> None:
    dm.start(host, ONE)
    host.happen("open", "m")
    dm.remove(host, flags=Flag.DM_DEFERRED_REMOVE)
    assert dm.info(host).flags & Flag.DM_DEFERRED_REMOVE
    host.happen("close", "m")
    refused(errno.ENXIO, lambda: dm.info(host))


def test_a_deferred_removal_can_be_cancelled(host: SandboxHost) -> None:
    dm.start(host, ONE)
    host.happen("open", "m")
    dm.message(host, "@cancel_deferred_remove")
    dm.remove(host, flags=Flag.DM_DEFERRED_REMOVE)
    dm.message(host, "@cancel_deferred_remove")
    host.happen("close", "m")
    assert dm.info(host).name == "m"


def test_removal_of_a_device_that_never_had_a_table_makes_no_uevent(host: SandboxHost) -> None:
    dm.create(host)
    header = dm.remove(host, cookie=0x600001)
    assert not header.flags & Flag.DM_UEVENT_GENERATED_FLAG
    assert host.uevents.of("dm-0") == []


def test_removal_makes_a_uevent_with_the_cookie(host: SandboxHost) -> None:
    dm.start(host, ONE)
    header = dm.remove(host, cookie=0x600001)
    assert header.flags & Flag.DM_UEVENT_GENERATED_FLAG
    first, second = host.uevents.of("dm-0", "remove")
    assert first.properties["DM_COOKIE"] == str(0x600001)
    assert second.env == ()


def test_remove_all_leaves_what_is_open(host: SandboxHost) -> None:
    dm.start(host, ONE)
    dm.create(host, "x", "x")
    host.happen("open", "m")
    dm.call(host, Command.DM_REMOVE_ALL)
    assert dm.info(host).name == "m"
    refused(errno.ENXIO, lambda: dm.info(host, "x"))


# ---- messages to the core


def test_a_message_to_a_device_without_a_table(host: SandboxHost) -> None:
    dm.create(host)
    refused(errno.EINVAL, lambda: dm.message(host, "fail_path 8:0"))


@pytest.mark.parametrize("text", ["", "   ", "@stats_list"])
def test_messages_that_the_core_refuses(host: SandboxHost, text: str) -> None:
    dm.start(host, ONE)
    refused(errno.EINVAL, lambda: dm.message(host, text))


def test_a_message_to_a_sector_outside(host: SandboxHost) -> None:
    dm.start(host, ONE)
    refused(errno.EINVAL, lambda: dm.message(host, "fail_path 8:0", sector=1 << 40))


def test_a_geometry_has_four_numbers(host: SandboxHost) -> None:
    dm.create(host)
    dm.call(host, Command.DM_DEV_SET_GEOMETRY, name="m", payload=b"1 2 3 4\0")
    refused(errno.EINVAL, lambda: dm.call(host, Command.DM_DEV_SET_GEOMETRY, name="m", payload=b"1 2\0"))


def test_reply_headers_can_be_read_again(host: SandboxHost) -> None:
    dm.create(host)
    reply = host.dm_query(Command.DM_DEV_STATUS, pack(Header(name="m"), size=512))
    assert unpack(reply)[0].name == "m"
