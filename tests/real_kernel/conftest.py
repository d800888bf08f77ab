"""Machines for the tests: booted when first asked for, shared as long as they stay clean, thrown away otherwise."""

import os
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from tests.real_kernel.guest import Guest
from tests.vm import images
from tests.vm.errors import NoSuchKernel, VmBroken, VmUnavailable
from tests.vm.machine import Machine

REQUIRED = "MPATHCTL_REQUIRE_VM"
"""Set to 1 by `make test`: a test machine that can't be had is then a failure and no reason to skip."""


class Machines:
    """At most one running machine a kernel."""

    def __init__(self) -> None:
        self._running: dict[str, Machine] = {}

    def get(self, kernel: str) -> Machine:
        """The running machine with this kernel, or a fresh one."""
        machine = self._running.get(kernel)
        if machine is None or not machine.alive:
            self.discard(kernel)
            machine = self._running[kernel] = Machine(found_images(), kernel=kernel)
        return machine

    def discard(self, kernel: str) -> None:
        """End a machine that must not be used again."""
        machine = self._running.pop(kernel, None)
        if machine is not None:
            machine.close()

    def close(self) -> None:
        """End all of them."""
        for kernel in list(self._running):
            self.discard(kernel)


def found_images() -> images.Images:
    """The images; made now only where a machine is required, because that takes minutes and installs packages."""
    if os.environ.get(REQUIRED) == "1":
        return images.make()
    found = images.made()
    if found is None:
        raise VmUnavailable("the images of the test machine are not made; run: sudo make vm-images")
    return found


SHARED = Machines()
"""One for the process: a test module elsewhere that imports these fixtures gets the same machines."""


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    try:
        yield SHARED
    finally:
        SHARED.close()


def _guest(machines: Machines, kernel: str) -> Guest:
    """A guest with this kernel; where it can't be had the test is skipped, or fails if it is required."""
    try:
        return Guest(machines.get(kernel))
    except NoSuchKernel as reason:
        pytest.skip(str(reason))
    except VmUnavailable as reason:
        give_up(reason)


def give_up(reason: VmUnavailable) -> NoReturn:
    """There is no machine: the test is skipped, or fails if one is required."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(str(reason), pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture
def boot(machines: Machines) -> Iterator[Callable[[str], Guest]]:
    """Gives a clean guest with a kernel of one's choice; cleans up after the test."""
    yield from _booting(machines)


@pytest.fixture(scope="module")
def lasting(machines: Machines) -> Iterator[Callable[[str], Guest]]:
    """As `boot`, for a whole module, whose tests share what was set up for all; cleans up after the last."""
    yield from _booting(machines)


def _booting(machines: Machines) -> Iterator[Callable[[str], Guest]]:
    used: set[str] = set()

    def boot_kernel(kernel: str) -> Guest:
        used.add(kernel)
        return _guest(machines, kernel)

    yield boot_kernel
    for kernel in used:
        _clean(machines, kernel)


def _clean(machines: Machines, kernel: str) -> None:
    try:
        if machines.get(kernel).run("rig-clean").status:
            machines.discard(kernel)
    except (VmBroken, VmUnavailable):
        machines.discard(kernel)


@pytest.fixture
def guest(boot: Callable[[str], Guest]) -> Guest:
    """A clean guest with Debian 12's own kernel."""
    return boot("6.1")
