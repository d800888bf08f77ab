"""What Fibre Channel hosts of the real kernel announce, heard and parsed by a script in the guest."""

import json
import sys
from collections.abc import Callable

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest
from tests.vm.machine import REPOSITORY

pytestmark = [pytest.mark.vm, pytest.mark.long]


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_what_a_link_that_goes_down_announces(boot: Callable[[str], Guest], kernel: str) -> None:
    guest = boot(kernel)
    rigs.fcoe(guest, disks=1, paths=1)
    ours = int(guest.sh("rig-fcoe host 1"))
    seen = json.loads(guest.sh(f"cd {REPOSITORY}; {sys.prefix}/bin/python -m tests.real_kernel.guest_fc_events"))
    assert [ours, "fc", "loop reset"] in seen
