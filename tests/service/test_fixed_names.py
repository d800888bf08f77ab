"""`multipathd -B`: names that are on file are used, no map gets another one, and the file stays as it is."""

from dataclasses import replace

from controller.runtime.cycle import Files
from controller.sandbox.host import SandboxHost
from controller.sandbox.san import FileSpec
from controller.sandbox.scenario import load_scenario
from tests.service.virtual import Virtual

BINDINGS = "/etc/multipath/bindings"
BOUND = "360060e80072a100000301a1000001001"
OTHER = "360060e80072a100000300a1000001000"
FIXED = Files(fixed_names=True)


def host_with(text: str) -> SandboxHost:
    scenario = load_scenario("small")
    return SandboxHost(replace(scenario, files=(*scenario.files, FileSpec(BINDINGS, text))))


def names(running: Virtual) -> set[str]:
    return {str(each.name) for each in running.service.world.maps.values()}


def test_a_map_without_a_name_on_file_is_called_by_its_wwid_and_the_others_by_their_names() -> None:
    text = f"mpathx {BOUND}\n"
    running = Virtual(host=host_with(text), files=FIXED)
    running.settled()
    assert {"data", "mpathx", OTHER} <= names(running)
    assert running.host.read_file(BINDINGS).decode() == text


def test_without_it_the_map_gets_a_name_and_the_file_a_line() -> None:
    running = Virtual(host=host_with(f"mpathx {BOUND}\n"))
    running.settled()
    assert OTHER not in names(running)
    assert OTHER in running.host.read_file(BINDINGS).decode()


def test_names_that_maps_have_already_stay() -> None:
    before = Virtual("small")
    before.settled()
    had = names(before)
    before.host.remove_file(BINDINGS)
    running = Virtual(host=before.host, files=FIXED)
    running.settled()
    running.ask("reconfigure")
    running.live(10)
    assert names(running) == had


def test_wwids_are_recorded_all_the_same() -> None:
    running = Virtual(host=host_with(""), files=FIXED)
    running.settled()
    assert f"/{OTHER}/" in running.host.read_file("/etc/multipath/wwids").decode()
