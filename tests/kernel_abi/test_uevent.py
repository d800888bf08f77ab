"""Uevents as bytes: the kernel's, udev's, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.kernel.uevent import Sender, Uevent, number, pack_kernel, pack_udev, parse

FAILED = {
    "ACTION": "change",
    "DEVPATH": "/devices/virtual/block/dm-3",
    "SUBSYSTEM": "block",
    "DM_TARGET": "multipath",
    "DM_ACTION": "PATH_FAILED",
    "DEVNAME": "/dev/dm-3",
    "DEVTYPE": "disk",
    "SEQNUM": "1130",
}

EVENT = Uevent(
    action="change",
    devpath="/devices/virtual/block/dm-3",
    subsystem="block",
    devname="dm-3",
    devtype="disk",
    seqnum=1130,
    properties=FAILED,
)


def test_a_kernels_uevent() -> None:
    data = b"change@/devices/virtual/block/dm-3\0" + b"".join(f"{k}={v}\0".encode() for k, v in FAILED.items())
    assert parse(data, Sender.KERNEL) == EVENT
    assert pack_kernel(FAILED) == data


def test_a_uevent_that_udev_sends_on() -> None:
    rows = b"".join(f"{key}={value}\0".encode() for key, value in FAILED.items())
    numbers = b"".join(number.to_bytes(4, "little") for number in (40, 40, len(rows)))
    data = b"libudev\0" + bytes.fromhex("feedcafe") + numbers + bytes(16) + rows
    assert parse(data, Sender.UDEV) == EVENT
    assert parse(pack_udev(FAILED), Sender.UDEV) == EVENT


def test_a_property_may_hold_an_equals_sign_and_bytes_that_are_no_text() -> None:
    found = parse(b"add@/a/sda\0ACTION=add\0DEVPATH=/a/sda\0ID=a=b\xff\0", Sender.KERNEL)
    assert found is not None
    assert found.properties["ID"] == "a=b\udcff"


def test_the_name_is_the_kernels_also_when_the_node_is_in_a_directory() -> None:
    found = parse(b"add@/a/cciss!c0d0\0ACTION=add\0DEVPATH=/a/cciss!c0d0\0DEVNAME=cciss/c0d0\0", Sender.KERNEL)
    assert found is not None
    assert (found.name, found.devname) == ("cciss!c0d0", "cciss/c0d0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"add\0ACTION=add\0DEVPATH=/a/sda\0",
        b"add@/a/sda\0ACTION=add\0",
        b"add@/a/sda\0DEVPATH=/a/sda\0",
        b"add@/a/\0ACTION=add\0DEVPATH=/a/\0",
        b"add@/a\0ACTION=add\0DEVPATH=a\0",
    ],
    ids=["nothing", "a NUL", "no place", "no devpath", "no action", "no name", "relative"],
)
def test_what_is_no_uevent_of_the_kernel(data: bytes) -> None:
    assert parse(data, Sender.KERNEL) is None


def spoiled(at: int, data: bytes) -> bytes:
    whole = pack_udev(FAILED)
    return whole[:at] + data + whole[at + len(data) :]


@pytest.mark.parametrize(
    "data",
    [
        pack_udev(FAILED)[:39],
        spoiled(0, b"libudeV"),
        spoiled(8, bytes(4)),
        spoiled(16, (39).to_bytes(4, "little")),
        spoiled(16, (2**32 - 1).to_bytes(4, "little")),
        spoiled(20, (2**32 - 1).to_bytes(4, "little")),
    ],
    ids=["short", "prefix", "magic", "properties in the header", "far away", "very long"],
)
def test_what_is_no_uevent_of_udev(data: bytes) -> None:
    assert parse(data, Sender.UDEV) is None


@given(st.binary(max_size=300), st.sampled_from(Sender))
def test_no_bytes_raise(data: bytes, sender: Sender) -> None:
    for whole in (data, b"a@/b\0ACTION=a\0DEVPATH=/b\0" + data, pack_udev(FAILED)[:24] + data):
        parse(whole, sender)


@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_spoiled_uevent_of_udev_raises(data: bytes, at: int) -> None:
    parse(spoiled(at, data), Sender.UDEV)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("18446744073709551615", 2**64 - 1), ("9" * 21, None), ("", None), ("-1", None), ("\u0663", None)],
)
def test_numbers(text: str, value: int | None) -> None:
    assert number(text) == value
