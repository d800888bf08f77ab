"""Lanes, event sources and the watch of states on a real kernel: what a script in the guest saw."""

import json
import sys
from collections.abc import Callable

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest
from tests.vm.machine import REPOSITORY

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_asking_without_waiting_and_seeing_what_happens(boot: Callable[[str], Guest], kernel: str) -> None:
    guest = boot(kernel)
    guest.sh("modprobe dm-multipath")
    rigs.scsi_debug(guest, hosts=2, luns=1)
    seen = json.loads(guest.sh(f"cd {REPOSITORY}; {sys.prefix}/bin/python -m tests.real_kernel.guest_lanes"))
    status, page = seen["asked"]
    assert (status, page) == (0, seen["waited"])
    assert "33333330000007d0" in page
    assert seen["together"]
    assert (seen["state"], seen["back"], seen["gone"]) == ("offline", "running", None)
    assert seen["quiet"]
    assert seen["polled"]
    assert seen["event"] > seen["made"]
    assert seen["path"][0] == "PATH_FAILED"
    assert seen["path"][1:] == ["events", True, 0]
    assert seen["removed"] == [True, True]
    assert seen["refused"]
    assert seen["again"]
    assert set(seen["others"]) <= {"quiet", "EPROTONOSUPPORT"}
