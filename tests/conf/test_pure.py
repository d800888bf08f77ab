"""The built-in entry of Pure's FlashArray: the size of requests that multipath-tools loses is not there here either."""

from desired import options
from desired.conf.printer import print_config
from desired.config import load_config
from desired.precedence import DeviceKind, settings_for
from observers.snapshot import Bus, TextFile

CONFIG = load_config((TextFile("/etc/multipath.conf", ""),))


def test_no_size_of_requests_is_in_force() -> None:
    layers = settings_for(CONFIG, DeviceKind("PURE", "FlashArray", "1", "scsi:fcp", Bus.SCSI))
    assert layers.lookup(options.MAX_SECTORS_KB) is None
    assert layers.require(options.FAST_IO_FAIL_TMO).value == 10


def test_none_is_printed() -> None:
    entry = next(part for part in print_config(CONFIG).split("device {") if '"PURE"' in part)
    assert "fast_io_fail_tmo 10" in entry
    assert "max_sectors_kb" not in print_config(CONFIG)
