"""What replies are made of, out of what the daemon knows."""

from dataclasses import replace

from observers.snapshot import DeviceName
from tests.identity.test_3par import page
from tests.service.virtual import Virtual


def test_the_name_of_a_3par_volume_is_shown_of_its_paths_and_no_others() -> None:
    daemon = Virtual("small")
    daemon.settled()
    known = daemon.service.world.path(DeviceName("sdb"))
    assert known is not None
    daemon.service.world.answered(replace(known, vendor_pages={"c0": page(b"oracle-7")}))
    shown = dict(line.split() for line in daemon.ask('show paths raw format "%d %g"').splitlines())
    assert shown["sdb"] == "oracle-7"
    assert shown["sdd"] == "[undef]"
