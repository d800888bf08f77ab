"""The running system: kernel, udev, native NVMe multipath.

In: a `Reader`. Out: plain facts, of which `observers.collect` makes `HostFacts`. It must never start anything.
"""

from observers.reading import NOT_PROVIDED, VANISHED, Reader

_QUIET = NOT_PROVIDED | VANISHED


def kernel_release(reader: Reader) -> str:
    """As `uname -r` says; empty with a gap when it can't be read."""
    return reader.text("/proc/sys/kernel/osrelease", "kernel release") or ""


def udev_running(reader: Reader) -> bool:
    """Whether systemd-udevd listens: it makes its control socket when it starts."""
    return reader.attempt("udev", lambda: reader.host.real_path("/run/udev/control"), quiet=_QUIET) is not None


def native_nvme_multipath(reader: Reader) -> bool:
    """Whether the kernel itself multipaths NVMe, so that namespaces' paths are hidden from device-mapper."""
    return reader.text("/sys/module/nvme_core/parameters/multipath", "native NVMe multipath", quiet=_QUIET) == "Y"
