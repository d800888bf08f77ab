"""Where it can't work it says so, in words that help, and changes nothing."""

import pytest

from tests.real_kernel import rigs
from tests.real_kernel.guest import Guest

pytestmark = pytest.mark.vm

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


@pytest.mark.parametrize("words", [("reconcile",), ("reconcile", "--dry-run")], ids=["reconcile", "dry run"])
def test_without_permission_it_says_so_and_what_to_run(guest: Guest, words: tuple[str, ...]) -> None:
    guest.configure(rigs.CONFIG)
    rigs.scsi_debug(guest, hosts=2, luns=1)
    done = guest.command(*words, prefix=NOBODY)
    assert done.status == 1
    assert "no permission" in done.err
    assert "root" in done.err
    assert "Traceback" not in done.err
    assert guest.maps() == {}


UNLOAD = """
for each in dm_multipath dm_mod; do
  for module in $(ls /sys/module/$each/holders 2> /dev/null) $each; do
    [ ! -d /sys/module/$module ] || rmmod $module
  done
done"""
"""Device-mapper with all that uses it, whatever other tests had the kernel load."""


def test_without_device_mapper_it_says_so(guest: Guest) -> None:
    guest.configure(rigs.CONFIG)
    guest.machine.check(
        f"{UNLOAD}; rm -rf /dev/mapper; test ! -d /sys/module/dm_mod",
        files={"/etc/modprobe.d/test-no-dm.conf": "install dm_mod /bin/false\n"},
    )
    for words in (("reconcile",), ("reconcile", "--dry-run")):
        done = guest.mpathctl(*words)
        assert done.status == 1
        assert "no device-mapper" in done.err
        assert "modprobe dm-multipath" in done.err
        assert "Traceback" not in done.err
