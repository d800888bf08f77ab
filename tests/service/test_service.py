"""A whole daemon on the in-memory kernel: it starts, hears of everything, answers clients, and ends."""

import pytest

from actuators.apply import apply
from actuators.steps import MapRef, RemoveMap, UdevFlags
from controller.sandbox.host import SandboxHost
from tests.service.virtual import Virtual

DATA_DISKS = ("sdb", "sdd", "sdj", "sdl")
"""The paths of the map `data`."""

FLUSHES = b"overrides {\n\tflush_on_last_del always\n}\n"
"""By this a map without paths is removed."""


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    return made


def writes(host: SandboxHost) -> dict[str, int]:
    return {kind: count for kind, count in host.writes.items() if count}


def test_it_makes_all_maps_and_then_leaves_the_host_alone(daemon: Virtual) -> None:
    assert len(daemon.service.world.maps) == 4
    daemon.live(30)  # udev has looked at everything
    before = writes(daemon.host)
    daemon.live(120)
    assert writes(daemon.host) == before


def test_a_path_that_the_kernel_takes_offline_is_failed_within_300_ms(daemon: Virtual) -> None:
    daemon.live(10)
    daemon.host.happen("offline", "sdb")
    took = daemon.until(lambda: daemon.active("data")["sdb"] is False)
    assert took <= 0.3
    daemon.host.happen("online", "sdb")
    assert daemon.until(lambda: daemon.active("data")["sdb"] is True) <= 0.3


def test_half_a_fabric_that_goes_down_is_failed_and_comes_back(daemon: Virtual) -> None:
    daemon.live(10)
    daemon.host.happen("adapter-down", "2")
    daemon.until(lambda: sum(daemon.active("data").values()) == 2, within=120)
    daemon.host.happen("adapter-up", "2")
    daemon.until(lambda: len(daemon.active("data")) == 4 and all(daemon.active("data").values()), within=120)


def test_a_deleted_disk_leaves_and_a_scanned_one_joins(daemon: Virtual) -> None:
    daemon.host.happen("delete", "sdb")
    daemon.until(lambda: len(daemon.active("data")) == 3)
    daemon.host.happen("scan", "1")
    daemon.until(lambda: len(daemon.active("data")) == 4)


def test_a_path_that_dm_itself_failed_is_noticed_and_given_back_after_a_check(daemon: Virtual) -> None:
    daemon.live(10)
    daemon.host.happen("message", "data", "fail_path", "8:16")
    daemon.until(lambda: any("kernel failed" in event.reason for event in daemon.events))
    daemon.until(lambda: daemon.active("data")["sdb"] is True)


def test_when_port_groups_swap_their_states_io_goes_to_the_better_one(daemon: Virtual) -> None:
    swap_groups(daemon, better="1001", worse="1000")
    daemon.until(lambda: in_use(daemon, "data") == {"sdd", "sdl"}, within=30)
    swap_groups(daemon, better="1000", worse="1001")
    daemon.until(lambda: in_use(daemon, "data") == {"sdb", "sdj"}, within=30)


def swap_groups(daemon: Virtual, *, better: str, worse: str) -> None:
    daemon.host.happen("alua", f"ontap:{better}", "active/optimized", "ontap:0")
    daemon.host.happen("alua", f"ontap:{worse}", "active/non-optimized", "ontap:0")


def in_use(daemon: Virtual, name: str) -> set[str]:
    live = daemon.map(name)
    assert live is not None
    assert live.status is not None
    group = live.status.groups[live.status.next_group - 1]
    return {str(daemon.service.world.name_of(path.dev)) for path in group.paths}


def test_a_second_daemon_takes_over_without_a_table_load(daemon: Virtual) -> None:
    daemon.live(30)
    daemon.service.stop()
    daemon.service.close()
    before = writes(daemon.host)
    second = Virtual(host=daemon.host)
    second.settled()
    second.live(30)
    loads = {kind: count - before.get(kind, 0) for kind, count in writes(daemon.host).items()}
    assert {kind: count for kind, count in loads.items() if count and kind.startswith("DM_TABLE")} == {}


# ---- clients


def test_clients_see_paths_and_maps(daemon: Virtual) -> None:
    assert "data" in daemon.ask("show maps")
    assert "sdb" in daemon.ask("show paths")
    assert daemon.ask("show daemon") == "pid 4711 idle\n"
    assert "`-" in daemon.ask("show topology")


def test_who_is_not_root_may_look_and_nothing_else(daemon: Virtual) -> None:
    assert "data" in daemon.ask("show maps", uid=1000)
    assert daemon.ask("fail path sdb", uid=1000).startswith("fail\npermission deny")
    assert daemon.active("data")["sdb"] is True


def test_a_path_failed_by_command_stays_failed_until_it_is_reinstated(daemon: Virtual) -> None:
    assert daemon.ask("fail path sdb") == "ok\n"
    daemon.live(60)
    assert daemon.active("data")["sdb"] is False
    assert daemon.ask("reinstate path sdb") == "ok\n"
    daemon.until(lambda: daemon.active("data")["sdb"] is True)


def test_a_path_removed_by_command_stays_out_until_it_is_added(daemon: Virtual) -> None:
    assert daemon.ask("del path sdb") == "ok\n"
    assert "sdb" not in daemon.active("data")
    daemon.live(60)
    assert len(daemon.active("data")) == 3
    assert daemon.ask("add path sdb") == "ok\n"
    assert len(daemon.active("data")) == 4


def test_a_map_removed_by_command_stays_away_until_it_is_added(daemon: Virtual) -> None:
    assert daemon.ask("del map data") == "ok\n"
    assert daemon.map("data") is None
    daemon.live(60)
    assert daemon.map("data") is None
    assert daemon.ask("add map data") == "ok\n"
    assert len(daemon.active("data")) == 4


def test_a_map_removed_by_command_is_made_again_when_its_unit_is_attached_again(daemon: Virtual) -> None:
    assert daemon.ask("del map data") == "ok\n"
    assert daemon.map("data") is None
    for disk in DATA_DISKS:
        daemon.host.happen("delete", disk)
    daemon.live(10)
    assert daemon.map("data") is None
    daemon.host.happen("scan", "1")
    daemon.host.happen("scan", "2")
    daemon.until(lambda: len(daemon.active("data")) == 4)


def test_a_map_removed_by_command_is_made_again_when_one_more_path_is_attached(daemon: Virtual) -> None:
    daemon.host.happen("delete", DATA_DISKS[0])
    daemon.live(10)
    assert daemon.ask("del map data") == "ok\n"
    daemon.live(10)
    assert daemon.map("data") is None
    daemon.host.happen("scan", "1")
    daemon.until(lambda: len(daemon.active("data")) == 4)


def test_a_map_removed_by_command_is_made_again_when_one_of_its_paths_is_added(daemon: Virtual) -> None:
    assert daemon.ask("del map data") == "ok\n"
    daemon.live(10)
    assert daemon.ask(f"add path {DATA_DISKS[0]}") == "ok\n"
    daemon.until(lambda: len(daemon.active("data")) == 4)


def removed_by_somebody_else(daemon: Virtual, name: str) -> None:
    """As `dmsetup remove` does it."""
    live = daemon.map(name)
    assert live is not None
    step = RemoveMap(map=MapRef(live.uuid, live.name), udev=UdevFlags.NONE)
    apply(daemon.host, (), [(step,)], udev_running=False)
    daemon.until(lambda: daemon.map(name) is None)


def test_a_map_removed_by_somebody_else_stays_away_until_its_unit_is_attached_again(daemon: Virtual) -> None:
    removed_by_somebody_else(daemon, "data")
    daemon.live(60)
    assert daemon.map("data") is None
    assert any("removed by somebody else" in event.text for event in daemon.events)
    for disk in DATA_DISKS:
        daemon.host.happen("delete", disk)
    daemon.live(10)
    daemon.host.happen("scan", "1")
    daemon.host.happen("scan", "2")
    daemon.until(lambda: len(daemon.active("data")) == 4)


def test_what_was_removed_is_there_again_after_a_reconfigure(daemon: Virtual) -> None:
    assert daemon.ask("del map data") == "ok\n"
    assert daemon.ask("del path sdb") == "ok\n"
    daemon.live(10)
    assert daemon.ask("reconfigure") == "ok\n"
    daemon.until(lambda: len(daemon.active("data")) == 4)


def test_a_map_that_the_daemon_removed_itself_is_made_again_when_its_paths_are_back(daemon: Virtual) -> None:
    config = daemon.host.read_file("/etc/multipath.conf")
    daemon.host.replace_file("/etc/multipath.conf", config + FLUSHES, mode=0o644)
    assert daemon.ask("reconfigure") == "ok\n"
    daemon.live(5)
    for disk in DATA_DISKS:
        daemon.host.happen("delete", disk)
    daemon.until(lambda: daemon.map("data") is None)
    daemon.live(10)
    daemon.host.happen("scan", "1")
    daemon.host.happen("scan", "2")
    daemon.until(lambda: len(daemon.active("data")) == 4)
    assert not any("removed by somebody else" in event.text for event in daemon.events)


def test_a_map_in_use_is_not_removed(daemon: Virtual) -> None:
    daemon.host.happen("open", "data")
    assert daemon.ask("del map data") == "fail\nmap or partition in use\n"
    daemon.live(10)
    assert len(daemon.active("data")) == 4


def test_a_suspended_map_is_left_alone_until_it_is_resumed(daemon: Virtual) -> None:
    assert daemon.ask("suspend map data") == "ok\n"
    daemon.until(lambda: bool((live := daemon.map("data")) and live.suspended))
    daemon.live(30)
    live = daemon.map("data")
    assert live is not None
    assert live.suspended
    assert daemon.ask("resume map data") == "ok\n"
    daemon.until(lambda: bool((live := daemon.map("data")) and not live.suspended))


def test_queueing_is_switched_off_and_restored_by_command(daemon: Virtual) -> None:
    def queues() -> bool:
        live = daemon.map("mpatha")
        return live is not None and live.table is not None and live.table.queues

    assert queues()
    assert daemon.ask("disablequeueing map mpatha") == "ok\n"
    assert not queues()
    daemon.live(30)
    assert not queues()
    assert daemon.ask("restorequeueing maps") == "ok\n"
    assert queues()


def test_a_group_is_switched_by_command(daemon: Virtual) -> None:
    assert daemon.ask("switch map data group 7") == "fail\n"
    assert daemon.ask("switch map data group 2") == "ok\n"


def test_unknown_things_are_not_found(daemon: Virtual) -> None:
    assert daemon.ask("del map nosuch") == "fail\ndevice not found\n"
    assert daemon.ask("fail path sdzz") == "fail\ndevice not found\n"
    assert daemon.ask("quit") == "ok\n<end>"


def test_a_broken_configuration_never_takes_the_place_of_a_good_one(daemon: Virtual) -> None:
    daemon.host.replace_file("/etc/multipath.conf", b"defaults {\n polling_interval 0\n}\n", mode=0o644)
    assert daemon.ask("reconfigure") == "ok\n"
    daemon.until(lambda: any("in force stays" in event.text for event in daemon.events))
    assert daemon.map("data") is not None


def test_a_new_alias_is_taken_at_reconfigure_and_not_before(daemon: Virtual) -> None:
    text = daemon.host.read_file("/etc/multipath.conf").replace(b"alias data", b"alias store")
    daemon.host.replace_file("/etc/multipath.conf", text, mode=0o644)
    daemon.live(30)
    assert daemon.map("data") is not None
    assert daemon.ask("reconfigure") == "ok\n"
    daemon.until(lambda: daemon.map("store") is not None)


def test_a_thousand_reconfigures_of_the_same_text_load_no_table(daemon: Virtual) -> None:
    daemon.live(30)
    before = writes(daemon.host)
    for _ in range(1000):
        daemon.service.reconfigure()
    daemon.settled()
    daemon.live(5)
    assert writes(daemon.host) == before


def test_a_thousand_uevents_are_one_cycle(daemon: Virtual) -> None:
    daemon.live(30)
    decisions = sum(event.kind == "decided" for event in daemon.events)
    before = writes(daemon.host)
    for _ in range(1000):
        daemon.service.reconciler.look_at_path(daemon.service.world.names[1])
    daemon.settled()
    assert writes(daemon.host) == before
    assert sum(event.kind == "decided" for event in daemon.events) - decisions <= 2


def test_metrics_and_events_are_told_to_clients(daemon: Virtual) -> None:
    assert 'mpath_map_paths{map="data",' in daemon.ask("list metrics")
    assert '"kind": "done"' in daemon.ask("list events")


def test_at_the_end_queueing_stops_and_maps_stay(daemon: Virtual) -> None:
    live = daemon.map("mpatha")
    assert live is not None
    assert live.table is not None
    assert live.table.queues
    daemon.service.stop()
    daemon.service.leave()
    daemon.service.world.refresh_maps()
    assert len(daemon.service.world.maps) == 4
    assert not any(each.table and each.table.queues for each in daemon.service.world.maps.values())


def loads(daemon: Virtual) -> int:
    return sum(count for kind, count in daemon.host.writes.items() if kind == "DM_TABLE_LOAD")


def test_reload_map_loads_the_table_once_more_and_reconfigure_all_every_table(daemon: Virtual) -> None:
    daemon.live(30)
    before = loads(daemon)
    assert daemon.ask("reload map data") == "ok\n"
    assert loads(daemon) == before + 1
    assert daemon.ask("reconfigure all") == "ok\n"
    daemon.until(lambda: loads(daemon) == before + 5)
    daemon.live(30)
    assert loads(daemon) == before + 5


def size(daemon: Virtual, name: str) -> int:
    live = daemon.map(name)
    return live.table.size if live is not None and live.table is not None else 0


def test_a_map_grows_with_its_disks_only_when_it_is_told_to(daemon: Virtual) -> None:
    daemon.live(10)
    before = size(daemon, "data")
    daemon.host.happen("resize", "ontap:0", "30G")
    daemon.host.happen("rescan", "sdb", "sdd", "sdj", "sdl")
    daemon.live(60)
    assert size(daemon, "data") == before
    assert daemon.ask("resize map data") == "ok\n"
    assert size(daemon, "data") == 30 * 1024 * 1024 * 2


def test_with_auto_resize_a_map_grows_with_its_disks(daemon: Virtual) -> None:
    text = daemon.host.read_file("/etc/multipath.conf").replace(b"defaults {", b"defaults {\n auto_resize grow_only")
    daemon.host.replace_file("/etc/multipath.conf", text, mode=0o644)
    daemon.ask("reconfigure")
    daemon.live(5)
    daemon.host.happen("resize", "ontap:0", "30G")
    daemon.host.happen("rescan", "sdb", "sdd", "sdj", "sdl")
    daemon.until(lambda: size(daemon, "data") == 30 * 1024 * 1024 * 2)


def test_all_block_devices_are_shown_also_those_that_can_be_no_path(daemon: Virtual) -> None:
    reply = daemon.ask("show devices")
    assert "sdb  devnode whitelisted, monitored" in reply
    assert "dm-0 devnode blacklisted, unmonitored" in reply
    assert reply.startswith("available block devices:\n")


def test_an_attribute_is_written_once_and_seen_to_have_its_value() -> None:
    down = Virtual("fabric-down")
    down.settled()
    down.live(120)
    texts = [event.text for event in down.events if event.kind == "done" and event.text.startswith("write ")]
    assert texts
    assert len(texts) == len(set(texts))
    assert not any("refused" in text for text in texts)
