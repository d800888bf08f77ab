"""Decisions on some maps only: what belongs to a map that is not looked at is not taken from it."""

from actuators.cookie import UdevSync, cookie_bases
from actuators.devicemapper import create_map
from actuators.steps import Changed, CreateMap, MapRef, Ownership, UdevFlags
from observers.dmtable import DevT, Sectors
from observers.snapshot import Alias, DeviceName, DmUuid
from tests.service.instant import Heart


def test_a_path_that_another_map_has_is_not_taken_from_it_by_a_decision_that_does_not_see_that_map() -> None:
    heart = Heart("small")
    theirs = CreateMap(
        map=MapRef(DmUuid("mpath-3600000000000000000000000000000ff"), Alias("theirs")), size=Sectors(41943040),
        table="0 1 alua 1 1 service-time 0 1 1 8:16 1", read_only=False, ownership=Ownership(), udev=UdevFlags.NONE,
    )  # fmt: skip
    assert create_map(heart.host, theirs, sync=UdevSync(running=False, bases=cookie_bases(0))) == Changed()
    heart.host.happen("open", "theirs")
    heart.reconciler.look_for_maps()
    heart.run(30)
    assert sorted(heart.active("data")) == ["sdd", "sdj", "sdl"]
    heart.host.happen("offline", "sdd")
    heart.reconciler.look_at_path(DeviceName("sdd"))
    heart.run(30)
    assert heart.active("data")["sdd"] is False
    heart.reconciler.decide_on([heart.map("data").wwid], now=heart.host.monotonic())
    heart.settle()
    assert "sdb" not in heart.active("data")
    table = heart.map("theirs").table
    assert table is not None
    assert table.devices == (DevT("8:16"),)
