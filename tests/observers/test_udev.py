"""The one place that uses pyudev, against the libudev of this machine."""

import errno

import pytest
import pyudev

from observers import udev


def test_device_that_does_not_exist_is_enodev() -> None:
    with pytest.raises(OSError, match="No such device") as caught:
        udev.properties("no-such-disk")
    assert caught.value.errno == errno.ENODEV


def test_value_that_is_no_text_is_an_error_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_text(*_arguments: object) -> None:
        b"\xe9".decode("utf-8")

    monkeypatch.setattr(pyudev.Devices, "from_name", not_text)
    with pytest.raises(OSError, match="Invalid or incomplete") as caught:
        udev.properties("sda")
    assert caught.value.errno == errno.EILSEQ
