"""mpathctl as a system has it after `make install`, for machines that run it from there rather than from the checkout.

In: a directory that the machine will share. Out: in it, `application.tar`: what is installed, to be run by the guest's
own Python.
"""

import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.install import Layout, install
from tests.real_kernel import conftest
from tests.real_kernel.guest import Guest
from tests.vm.errors import VmUnavailable
from tests.vm.machine import Machine

PYTHON = "/usr/bin/python3"
VERSION = (3, 11)
"""Debian 12's. What the installation has compiled, and the extension modules of its dependencies, fit no other."""

APPLICATION = "application.tar"


def pack(share: Path) -> None:
    """Install into a directory aside, and pack that: the guest reads one file much sooner than a thousand."""
    if sys.version_info[:2] != VERSION:
        pytest.skip(f"the guest's Python is {VERSION[0]}.{VERSION[1]}, and this environment has another one")
    root = share / "root"
    install(Layout(root, Path("/usr"), PYTHON, "debian"))
    with tarfile.open(share / APPLICATION, "w") as archive:
        archive.add(root / "usr", "usr")


@contextmanager
def machine(share: Path, *, systemd: bool = False, append: str = "") -> Iterator[Guest]:
    """A machine of its own that sees that directory."""
    pack(share)
    try:
        made = Machine(conftest.found_images(), systemd=systemd, shares=[share], append=append)
    except VmUnavailable as reason:
        conftest.give_up(reason)
    with made:
        yield Guest(made)
