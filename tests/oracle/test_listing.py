"""What `multipath` prints of whole hosts, beside what the reference printed of the same hosts.

Recorded were what `multipath -v3` printed when it made the maps, and `multipath -ll` afterwards. The reference ran
without a daemon: no map queues.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli.multipath_view import intended_text, maps_text, paths_text, state_of
from controller.protocol.state import Action, State
from desired.derive import config_in, derive
from desired.model import Verdict
from observers.snapshot import Bus
from tests.builders import made_map
from tests.oracle.scenario_reader import Scenario
from tests.oracle.spec import SPEC

FOLDER = SPEC / "scenarios"
SCENARIOS = sorted(file.name for file in FOLDER.glob("[0-9]*.json")) if FOLDER.is_dir() else []

pytestmark = pytest.mark.skipif(not SCENARIOS, reason="the recorded scenarios are not on this machine")


@pytest.fixture(params=SCENARIOS, ids=lambda name: Path(name).stem)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found = Scenario.load(request.param)
    if any(path.bus is Bus.SCSI and path.page83_device is None for path in found.snapshot.paths):
        pytest.skip("intended difference: a device that is offline can't say who it is, so it enters no map")
    return found


def state_before(scenario: Scenario) -> State:
    config = config_in(scenario.snapshot)
    return state_of(scenario.snapshot, derive(config, scenario.snapshot, resident=False), config, {})


def state_after(scenario: Scenario) -> State:
    before = state_before(scenario)
    wanted = [each for each in before.desired.maps if not each.reject]
    maps = tuple(made_map(each, minor) for minor, each in enumerate(wanted))
    return replace(before, snapshot=replace(before.snapshot, maps=maps))


def test_the_maps_are_listed_as_by_the_reference(scenario: Scenario) -> None:
    assert maps_text(state_after(scenario), 2) == scenario.raw["multipath_ll"]


def test_the_paths_and_what_is_done_are_told_as_by_the_reference(scenario: Scenario) -> None:
    before = state_before(scenario)
    actions = {each.wwid: Action.REJECT if each.reject else Action.CREATE for each in before.desired.maps}
    intended = intended_text(before.snapshot, before.desired, before.config, actions, 3)
    assert paths_text(before, 3) + intended == scenario.raw["stdout"]


def test_a_disk_that_waits_has_the_same_priority(scenario: Scenario) -> None:
    waiting = [each for each in state_before(scenario).desired.admissions if each.verdict is Verdict.WAITING]
    listed = scenario.answers.priorities
    assert {each.name: each.priority for each in waiting} == {each.name: listed[each.name] for each in waiting}
