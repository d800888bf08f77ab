"""A daemon is killed at each call that changes something, one after another, while paths fail, go and come.

The next one must end where the undisturbed one does: same maps, same tables, same paths in use, nothing half done.
"""

from collections.abc import Callable

from controller.runtime import cycle
from controller.sandbox.errors import Killed
from controller.sandbox.host import SandboxHost
from tests.programs.hosts import san
from tests.service.virtual import FILES, Virtual

HAPPENINGS: tuple[Callable[[SandboxHost], None], ...] = (
    lambda host: host.advance(0.0),  # it starts over nothing, and makes the maps
    lambda host: host.happen("offline", "sda"),
    lambda host: host.happen("delete", "sdd"),
    lambda host: host.happen("online", "sda"),
    lambda host: host.happen("scan", "2"),
)
LONG_ENOUGH = 8.0
"""Virtual seconds in which every path is checked after a happening."""


def lived(host: SandboxHost) -> int:
    """Live through everything; how often a daemon was killed meanwhile and another one took over."""
    kills, daemon = 0, None
    for happen in HAPPENINGS:
        happen(host)
        while True:
            try:
                daemon = daemon or Virtual(host=host)
                daemon.live(LONG_ENOUGH)
                daemon.settled()
                break
            except Killed:
                host.restart()
                kills, daemon = kills + 1, None
    return kills


def ended(host: SandboxHost) -> dict[str, object]:
    """What there is in the end."""
    maps = cycle.observe(host, FILES).maps
    assert not any(each.suspended or each.inactive_table for each in maps)
    assert host.lost_requests == []
    return {
        each.uuid: (each.name, each.table, [path.active for path in each.status.paths] if each.status else None)
        for each in maps
    }


def test_killed_before_any_writing_call_the_next_daemon_ends_in_the_same_state() -> None:
    whole = san()
    assert lived(whole) == 0
    wanted, calls = ended(whole), sum(whole.writes.values())
    assert calls > len(HAPPENINGS)
    assert len(wanted) == 2
    for at in range(1, calls + 1):
        host = san()
        host.faults.kill_at(at)
        assert lived(host) == 1, f"not killed at writing call {at}"
        assert ended(host) == wanted, f"killed at writing call {at}"
