"""The udev database as files: what libudev would say of a device."""

import errno

import pytest

from observers import udev_database

PLACE = "/sys/devices/pci0/host0/block/sda"
DATABASE = """\
S:disk/by-id/wwn-0x600a
S:disk/by-path/pci-0
I:2345678
E:ID_SERIAL=3600a
E:ID_MODEL=LUN=C
G:systemd
Q:systemd
V:1
"""
FILES = {
    f"{PLACE}/uevent": b"MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk\nDISKSEQ=9\n",
    "/run/udev/data/b8:0": DATABASE.encode(),
}


def properties(files: dict[str, bytes], name: str = "sda") -> dict[str, str]:
    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(errno.ENOENT, "", path)
        return files[path]

    def real_path(path: str) -> str:
        if path != "/sys/class/block/sda":
            raise FileNotFoundError(errno.ENOENT, "", path)
        return PLACE

    return dict(udev_database.properties(name, read, real_path))


def test_the_kernels_properties_come_first_and_then_those_of_the_rules() -> None:
    assert list(properties(FILES).items()) == [
        ("DEVPATH", "/devices/pci0/host0/block/sda"),
        ("SUBSYSTEM", "block"),
        ("MAJOR", "8"),
        ("MINOR", "0"),
        ("DEVNAME", "/dev/sda"),
        ("DEVTYPE", "disk"),
        ("DISKSEQ", "9"),
        ("ID_SERIAL", "3600a"),
        ("ID_MODEL", "LUN=C"),
        ("DEVLINKS", "/dev/disk/by-id/wwn-0x600a /dev/disk/by-path/pci-0"),
        ("USEC_INITIALIZED", "2345678"),
        ("TAGS", ":systemd:"),
        ("CURRENT_TAGS", ":systemd:"),
    ]


def test_a_device_that_the_rules_have_not_seen_has_the_kernels_properties_only() -> None:
    found = properties({name: text for name, text in FILES.items() if name.startswith("/sys")})
    assert (found["DEVTYPE"], "ID_SERIAL" in found) == ("disk", False)


def test_a_device_that_is_not_there() -> None:
    for files, name in ((FILES, "sdz"), ({}, "sda")):
        with pytest.raises(OSError, match="sd") as caught:
            properties(files, name)
        assert caught.value.errno == errno.ENODEV


def test_a_value_that_is_no_text() -> None:
    with pytest.raises(OSError, match="sda") as caught:
        properties({**FILES, "/run/udev/data/b8:0": b"E:A=\xff\n"})
    assert caught.value.errno == errno.EILSEQ


def test_another_error_is_passed_on() -> None:
    def refuse(path: str) -> bytes:
        raise PermissionError(errno.EACCES, "", path)

    with pytest.raises(PermissionError):
        udev_database.properties("sda", refuse, lambda _: PLACE)


def test_keys_are_kept_once_however_many_disks_there_are() -> None:
    first, second = (list(properties(FILES)) for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))
