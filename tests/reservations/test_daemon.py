"""A daemon on the in-memory kernel keeps a cluster's registrations as its paths come and go."""

import pytest

from controller.cli.recording_reader import read_recording
from controller.runtime.events import Level
from controller.runtime.recording import lines
from controller.runtime.replaying import replay
from controller.runtime.world import Seen
from controller.sandbox.san import FileSpec
from observers.kernel import reservation
from observers.snapshot import DeviceName
from tests.reservations.worlds import (
    DEVICES,
    KEY,
    PRKEYS,
    WWID,
    daemon,
    fence,
    host_with,
    number,
    register,
    registered,
    unit,
)
from tests.service.virtual import Virtual


def registering() -> Virtual:
    """A daemon of whose map all paths are registered, as mpathpersist does it and says it."""
    running = daemon()
    register(running.host)
    assert running.ask("setprstatus map data") == "ok\n"
    running.settled()
    return running


def away_and_back(running: Virtual, *names: str) -> None:
    for state in ("no-connect", "up"):
        running.host.happen("link", state, *names)
        wanted = state == "up"
        running.until(lambda: all(running.active("data")[name] is wanted for name in names), within=120)  # noqa: B023


def deeds(running: Virtual, word: str) -> list[str]:
    return [event.text for event in running.events if word in event.text and ": " in event.text]


# ---- status


def test_without_a_key_nothing_is_set_and_setting_it_stays_without_effect() -> None:
    running = daemon("")
    assert running.ask("getprkey map data") == "none\n"
    assert running.ask("getprstatus map data") == "unset\n"
    assert running.ask("setprstatus map data") == "ok\n"
    assert running.ask("getprstatus map data") == "unset\n"
    assert running.host.writes["scsi_register"] == 0


def test_a_key_that_nobody_registered_is_told_and_leaves_the_status_unset() -> None:
    running = daemon("0xabc123:aptpl")
    assert running.ask("getprkey map data") == "0xabc123:aptpl\n"
    assert running.ask("getprstatus map data") == "unset\n"
    assert running.ask("getprhold map data") == "unset\n"
    assert registered(running.host) == {}


def test_a_start_finds_the_key_registered_and_registers_the_paths_that_are_not() -> None:
    host = host_with("0xabc123")
    register(host, "sdb", "sdd")
    running = daemon(host=host)
    assert running.ask("getprstatus map data") == "set\n"
    assert registered(host) == dict.fromkeys(DEVICES, KEY)


@pytest.mark.parametrize(("holder", "said"), [("sdd", "set\n"), (None, "unset\n")], ids=["held", "not held"])
def test_a_start_finds_out_whether_a_reservation_is_held(holder: str | None, said: str) -> None:
    host = host_with("0xabc123")
    register(host)
    disk = host.kernel.disk(DeviceName(holder)) if holder else None
    if disk is not None:
        unit(host).reserve(disk.nexus.registrant)
    assert daemon(host=host).ask("getprhold map data") == said


def test_a_reservation_of_another_host_is_not_held_by_this_one() -> None:
    host = host_with("0xabc123")
    register(host)
    unit(host).register("another host", 0x77)
    unit(host).reserve("another host")
    assert daemon(host=host).ask("getprhold map data") == "unset\n"


def test_what_clients_say_of_the_reservation_is_remembered() -> None:
    running = registering()
    assert running.ask("getprstatus map data") == "set\n"
    assert running.ask("setprhold map data") == "ok\n"
    assert running.ask("getprhold map data") == "set\n"
    assert running.ask("unsetprhold map data") == "ok\n"
    assert running.ask("getprhold map data") == "unset\n"


def test_unsetting_the_status_ends_the_hold_too() -> None:
    running = registering()
    running.ask("setprhold map data")
    assert running.ask("unsetprstatus map data") == "ok\n"
    assert running.ask("getprstatus map data") == "unset\n"
    assert running.ask("getprhold map data") == "unset\n"


def test_setting_the_status_registers_the_other_paths_before_the_reply() -> None:
    running = daemon()
    register(running.host, "sdb")
    assert running.ask("setprstatus map data") == "ok\n"
    assert registered(running.host) == dict.fromkeys(DEVICES, KEY)


def test_setting_the_status_without_a_registration_ends_in_unset() -> None:
    running = daemon()
    assert running.ask("setprstatus map data") == "ok\n"
    running.settled()
    assert running.ask("getprstatus map data") == "unset\n"
    assert registered(running.host) == {}


def test_paths_that_the_client_lists_as_registered_are_not_registered_again() -> None:
    running = daemon()
    register(running.host)
    before = running.host.writes["scsi_register"]
    listed = " ".join(["sdb", *(number(running.host, name) for name in DEVICES[1:])])  # as mpathpersist writes it
    assert running.ask(f'setprstatus map data pathlist "{listed}"') == "ok\n"
    assert running.ask("getprstatus map data") == "set\n"
    assert running.host.writes["scsi_register"] == before


def test_a_path_that_is_not_in_the_list_is_registered() -> None:
    running = daemon()
    register(running.host, "sdb", "sdd", "sdj")
    listed = " ".join(number(running.host, name) for name in ("sdb", "sdd", "sdj"))
    before = running.host.writes["scsi_register"]
    running.ask(f'setprstatus map data pathlist "{listed}"')
    assert registered(running.host) == dict.fromkeys(DEVICES, KEY)
    assert running.host.writes["scsi_register"] == before + 1


def test_a_listed_path_whose_registration_was_lost_meanwhile_is_registered_again() -> None:
    running = daemon()
    register(running.host, "sdd")
    listed = " ".join(number(running.host, name) for name in ("sdb", "sdd"))
    running.ask(f'setprstatus map data pathlist "{listed}"')
    assert registered(running.host) == dict.fromkeys(DEVICES, KEY)


# ---- paths that come back


def test_a_path_that_comes_back_is_registered_before_it_is_reinstated() -> None:
    running = registering()
    unit(running.host).keys.pop(registrant(running, "sdd"))
    away_and_back(running, "sdd")
    assert registered(running.host) == dict.fromkeys(DEVICES, KEY)
    done = [text for text in deeds(running, "(sdd)") if text.endswith("done")]
    back = next(index for index, text in enumerate(done) if text.startswith("reinstate"))
    assert done[back - 1].startswith("register path")


def test_a_registration_is_not_repeated_while_the_path_stays() -> None:
    running = registering()
    before = running.host.writes["scsi_register"]
    running.live(120)
    assert running.host.writes["scsi_register"] == before


def test_a_disk_that_is_new_is_registered_before_its_map_uses_it() -> None:
    running = registering()
    gone = registrant(running, "sdl")
    running.host.happen("delete", "sdl")
    running.until(lambda: "sdl" not in running.active("data"), within=60)
    unit(running.host).register(gone, 0)
    running.host.happen("scan", "2")
    running.until(lambda: len(running.active("data")) == 4 and all(running.active("data").values()), within=60)
    running.settled()
    assert sorted(unit(running.host).keys.values()) == [KEY] * 4
    texts = [text for text in deeds(running, "data") if text.endswith("done")]
    loads = [index for index, text in enumerate(texts) if text.startswith("load into data")]
    assert texts[loads[-1] - 1].startswith("register path")


def test_another_device_under_the_same_name_and_number_is_registered_too() -> None:
    running = registering()
    unit(running.host).register(registrant(running, "sdl"), 0)
    running.service.reconciler._seen(DeviceName("sdl"), Seen.NEW, running.host.monotonic())
    running.settled()
    assert registered(running.host) == dict.fromkeys(DEVICES, KEY)


def test_after_this_host_was_fenced_off_a_path_that_comes_back_is_not_registered() -> None:
    running = registering()
    fence(running.host)
    away_and_back(running, "sdd")
    assert registered(running.host) == {}
    assert running.ask("getprstatus map data") == "unset\n"


def test_a_stale_key_of_a_path_that_was_away_while_the_host_was_fenced_off_is_taken_away() -> None:
    running = registering()
    running.host.happen("link", "no-connect", "sdd")
    running.until(lambda: not running.active("data")["sdd"], within=120)
    unit(running.host).register(registrant(running, "sdd"), 0x999)
    fence(running.host)
    running.host.happen("link", "up", "sdd")
    running.until(lambda: running.active("data")["sdd"], within=120)
    assert registered(running.host) == {}


def test_after_the_key_was_unset_a_path_that_comes_back_loses_its_registration() -> None:
    running = registering()
    running.ask("unsetprstatus map data")
    away_and_back(running, "sdd")
    assert registered(running.host) == dict.fromkeys(("sdb", "sdj", "sdl"), KEY)


def test_where_nothing_was_ever_registered_a_path_that_comes_back_is_left_alone() -> None:
    running = daemon()
    before = running.host.writes["scsi_register"]
    away_and_back(running, "sdd")
    assert running.host.writes["scsi_register"] == before


def test_an_array_without_persistent_reservations_keeps_the_status_unset() -> None:
    host = host_with("0xabc123")
    disk = host.kernel.disk(DeviceName("sdb"))
    assert disk is not None
    disk.array.units[0].registrations = None
    assert daemon(host=host).ask("getprstatus map data") == "unset\n"


def test_a_key_that_is_configured_later_is_looked_for_at_reconfigure() -> None:
    running = daemon("")
    register(running.host, "sdb")
    text = running.host.read_file("/etc/multipath.conf").replace(b"alias data", b"alias data\nreservation_key 0xabc123")
    running.host.replace_file("/etc/multipath.conf", text, mode=0o644)
    running.ask("reconfigure")
    running.until(lambda: registered(running.host) == dict.fromkeys(DEVICES, KEY))
    assert running.ask("getprstatus map data") == "set\n"


def registrant(running: Virtual, name: str) -> tuple[str, str]:
    disk = running.host.kernel.disk(DeviceName(name))
    assert disk is not None
    return disk.nexus.registrant


def test_that_this_host_was_fenced_off_is_told_as_a_warning() -> None:
    running = registering()
    fence(running.host)
    away_and_back(running, "sdd")
    warned = [event.text for event in running.events if event.level is Level.WARNING]
    assert any("the key 0xabc123 is not registered any more" in text for text in warned)
    assert not [event for event in daemon().events if "not registered" in event.text and event.level is Level.WARNING]


def test_what_was_recorded_of_registrations_is_decided_the_same_again() -> None:
    running = registering()
    unit(running.host).keys.pop(registrant(running, "sdd"))
    away_and_back(running, "sdd")
    text = "".join(f"{line}\n" for line in lines(running.service.recorder.entries, at=0.0))
    assert "RegisterKey" in text
    assert all(each.same for each in replay(read_recording(text, origin="f").entries))


# ---- keys


def test_a_key_in_the_file_is_recorded_and_in_force_with_the_reply() -> None:
    running = daemon("file")
    assert running.ask("getprkey map data") == "none\n"
    assert running.ask("setprkey map data key 0xfeed:aptpl") == "ok\n"
    assert running.ask("getprkey map data") == "0xfeed:aptpl\n"
    assert running.host.read_file(PRKEYS).decode().splitlines()[-1] == f"0X000000000000feed {WWID}"


def test_a_key_in_the_file_can_be_taken_back() -> None:
    running = daemon("file")
    running.ask("setprkey map data key 0xfeed")
    assert running.ask("unsetprkey map data") == "ok\n"
    assert running.ask("getprkey map data") == "none\n"
    assert running.host.read_file(PRKEYS).decode().splitlines()[-1] == f"#x000000000000feed {WWID}"


def test_a_key_that_the_file_has_at_the_start_is_used() -> None:
    host = host_with("file", (FileSpec(PRKEYS, f"0x0000000000abc123 {WWID}\n"),))
    register(host, "sdb")
    running = daemon(host=host)
    assert running.ask("getprkey map data") == "0xabc123\n"
    assert running.ask("getprstatus map data") == "set\n"


def test_a_key_is_not_recorded_for_a_map_whose_key_is_configured() -> None:
    running = daemon()
    assert running.ask("setprkey map data key 0xfeed") == "fail\n"
    assert running.ask("unsetprkey map data") == "fail\n"
    assert running.ask("getprkey map data") == "0xabc123\n"


def test_a_key_that_can_not_be_written_is_refused_and_told() -> None:
    running = daemon("file")
    running.host.faults.fail_change(PRKEYS, 30)
    assert running.ask("setprkey map data key 0xfeed") == "fail\n"
    assert running.ask("getprkey map data") == "none\n"
    assert any("record the reservation key 0xfeed of data" in event.text for event in running.events)


def test_while_a_key_is_exchanged_the_former_one_still_counts() -> None:
    host = host_with("file", (FileSpec(PRKEYS, f"0x0000000000abc123 {WWID}\n"),))
    register(host)
    running = daemon(host=host)
    assert running.ask("setprkey map data key 0xfeed") == "ok\n"
    away_and_back(running, "sdd")
    assert registered(host) == {**dict.fromkeys(DEVICES, KEY), "sdd": 0xFEED}
    assert running.ask("getprstatus map data") == "set\n"


def test_a_file_of_keys_that_can_not_be_read_stops_nothing_else() -> None:
    host = host_with("file", (FileSpec(PRKEYS, f"0x0000000000abc123 {WWID}\n"),))
    host.faults.fail_read(PRKEYS, 5, count=10_000)
    running = daemon(host=host)
    assert len(running.active("data")) == 4
    assert running.ask("getprkey map data") == "none\n"
    assert any(PRKEYS in event.text for event in running.events)
    host.faults.clear()
    running.ask("reconfigure")
    running.until(lambda: running.ask("getprkey map data") == "0xabc123\n")


def test_an_unknown_map_is_told() -> None:
    running = daemon()
    for command in ("getprkey", "setprstatus", "unsetprstatus", "getprhold", "setprhold", "unsetprkey"):
        assert running.ask(f"{command} map nobody") == "fail\ndevice not found\n"


def test_only_root_may_say_anything_of_reservations() -> None:
    running = daemon()
    for command in ("setprstatus map data", "setprkey map data key 1", "setprhold map data", "getprkey map data"):
        assert running.ask(command, uid=1000).startswith("fail\npermission deny")


def test_what_goes_to_the_target_has_the_bytes_of_the_standard() -> None:
    assert reservation.parameters(KEY, aptpl=True).hex() == "00000000000000000000000000abc1230000000001000000"
