"""An array that swaps two units under all their paths, and udev knows it: each map gets the paths of its unit."""

from actuators.steps import FailPath, ReloadMap
from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario

FILES = cycle.Files()
OTHER = "3600a098038304479363f4c4934526b01"


def reconcile(host: SandboxHost) -> cycle.Result:
    return cycle.reconcile(host, FILES, on_decision=lambda _: None, on_outcome=lambda _step, _outcome: None)


def test_two_maps_in_use_swap_all_of_their_paths() -> None:
    host = SandboxHost(load_scenario("small"))
    assert reconcile(host).converged
    host.advance(5)
    host.happen("open", "data", OTHER)
    host.happen("remap", "ontap:0", "ontap:1")
    host.happen("remap", "ontap:1", "ontap:0")
    before = {live.name: live.table.devices for live in cycle.observe(host, FILES).maps if live.table}
    for disk in ("sdb", "sdc", "sdd", "sde", "sdj", "sdk", "sdl", "sdm"):
        host.happen("rescan", disk)
    host.advance(10)
    result = reconcile(host)
    assert result.converged
    done = [type(step) for step, _ in result.outcomes]
    assert done == [FailPath] * 8 + [ReloadMap] * 2
    after = {live.name: live.table.devices for live in result.last.snapshot.maps if live.table}
    for one, another in (("data", OTHER), (OTHER, "data")):
        assert set(after[one]) == set(before[another])  # type: ignore[index]  # names of maps
