"""The flight recorder: what it keeps, the file that it becomes, and that file decided again."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from actuators.steps import Changed
from controller.cli.main import main as mpathctl
from controller.cli.recording_reader import memory_of, read_recording, step_of
from controller.reconcile.orders import NO_ORDERS
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.runtime import deciding, dumps, replaying
from controller.runtime.cycle import Decision
from controller.runtime.deciding import Considered
from controller.runtime.forms import STEPS, form
from controller.runtime.recorder import ORDERED, Applied, Cycle, Ordered, Recorder
from controller.runtime.recording import MEMORY_FIELDS, lines
from controller.runtime.replaying import replay
from desired.model import Desired
from observers.errors import InputError
from observers.snapshot import Alias, HostFacts, Snapshot, Wwid
from observers.snapshot_json import to_json
from tests.service.virtual import Virtual


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    return made


def lived(daemon: Virtual) -> Virtual:
    """After an eventful minute."""
    daemon.live(10)
    daemon.host.happen("offline", "sdb")
    daemon.live(5)
    daemon.ask("disablequeueing map mpatha")
    daemon.host.happen("online", "sdb")
    daemon.live(5)
    daemon.host.happen("delete", "sdc")
    daemon.live(5)
    daemon.ask("restorequeueing maps")
    daemon.ask("fail path sdb")
    daemon.ask("suspend map data")
    daemon.live(5)
    daemon.ask("resume map data")
    daemon.live(30)
    return daemon


def text_of(recorder: Recorder) -> str:
    return "".join(f"{line}\n" for line in lines(recorder.entries, at=1.5))


def cycles(recorder: Recorder) -> list[Cycle]:
    return [entry for entry in recorder.entries if isinstance(entry, Cycle)]


# ---- keeping


def considered(snapshot: Snapshot | None = None, *, memory: Memory | None = None) -> Considered:
    facts = HostFacts(kernel_release="", dm_version=None, multipath_target=None)
    seen = snapshot or Snapshot(taken_at=0.0, host=facts)
    known = memory or Memory(resident=True)
    decision = Decision(snapshot=seen, desired=Desired(maps=(), keep={}), plan=Plan(), findings=(), memory=known)
    return Considered(now=0.0, scope=None, orders=NO_ORDERS, memory=known, after=known, decision=decision)


def test_only_the_last_cycles_are_kept_and_the_first_entry_is_a_cycle() -> None:
    recorder = Recorder(kept=3)
    for _ in range(5):
        recorder.considered(considered())
        recorder.applied(Plan(), (), now=1.0, memory=Memory())
    assert [cycle.number for cycle in cycles(recorder)] == [3, 4, 5]
    assert isinstance(recorder.entries[0], Cycle)
    assert sum(isinstance(entry, Applied) for entry in recorder.entries) == 3


def test_a_path_that_did_not_change_is_kept_once(daemon: Virtual) -> None:
    recorder = Recorder()
    world = daemon.service.world
    for _ in range(3):
        fresh = world.snapshot(lambda path: replace(path))
        recorder.considered(considered(fresh))
    first, second, third = cycles(recorder)
    assert all(one is other for one, other in zip(first.snapshot.paths, third.snapshot.paths, strict=True))
    assert first.weight == len(first.snapshot.paths)
    assert second.weight == third.weight == 0


def test_when_everything_changes_all_the_time_fewer_cycles_are_kept(daemon: Virtual) -> None:
    snapshot = daemon.service.world.snapshot(lambda path: path)
    count = len(snapshot.paths)
    recorder = Recorder(room=count * 4)
    for size in range(1, 20):
        paths = tuple(replace(path, size=size) for path in snapshot.paths)  # type: ignore[arg-type]  # any number will do
        recorder.considered(considered(replace(snapshot, paths=paths)))
    assert len(cycles(recorder)) == 4


def test_outcomes_stand_behind_the_cycle_that_they_are_of(daemon: Virtual) -> None:
    entries = daemon.service.recorder.entries
    made = next(index for index, entry in enumerate(entries) if isinstance(entry, Applied))
    assert isinstance(entries[0], Cycle)
    assert made > 0
    entry = entries[made]
    assert isinstance(entry, Applied)
    assert {step for step, _ in entry.outcomes} <= set(cycles(daemon.service.recorder)[0].plan.steps)


def test_what_clients_had_done_stands_between_the_cycles_with_their_words(daemon: Virtual) -> None:
    ordered = [entry for entry in lived(daemon).service.recorder.entries if isinstance(entry, Ordered)]
    assert [(each.request, each.deed, each.map) for each in ordered] == [
        ("fail path sdb", "fail path 8:16 (sdb) of data", "data"),
        ("suspend map data", "suspend data", "data"),
        ("resume map data", "resume data", "data"),
    ]
    assert all(each.outcome == Changed() for each in ordered)


def test_a_client_that_has_the_same_done_without_end_does_not_fill_the_memory(daemon: Virtual) -> None:
    recorder = Recorder()
    recorder.considered(considered())
    ordered = Ordered(now=1.0, request="r", deed="d", map=Alias("m"), wwid=Wwid("w"), path="", outcome=Changed())
    for _ in range(3 * ORDERED):
        recorder.ordered(ordered)
    assert len(recorder.entries) == 1 + ORDERED
    recorder.considered(considered())
    recorder.ordered(ordered)
    assert len(recorder.entries) == 3 + ORDERED


# ---- as text


def test_a_snapshot_has_the_form_that_snapshots_have_everywhere(daemon: Virtual) -> None:
    snapshot = daemon.service.world.snapshot(daemon.service.decider.settle)
    assert json.loads(json.dumps(form(snapshot))) == json.loads(to_json(snapshot))["snapshot"]


def test_every_step_of_a_plan_is_read_back_as_it_was(daemon: Virtual) -> None:
    steps = [step for cycle in cycles(lived(daemon).service.recorder) for step in cycle.plan.steps]
    assert len({type(step) for step in steps}) >= 4
    assert {type(step).__name__ for step in steps} <= set(STEPS)
    for step in steps:
        assert step_of(json.loads(json.dumps(form(step)))) == step


def test_a_planners_memory_is_read_back_as_it_was(daemon: Virtual) -> None:
    memory = lived(daemon).service.decider.memory
    assert memory.maps
    text = json.dumps({name: form(getattr(memory, name)) for name in MEMORY_FIELDS})
    assert memory_of(json.loads(text), memory.paths) == memory


def test_a_recording_is_read_back_as_it_was(daemon: Virtual) -> None:
    recorder = lived(daemon).service.recorder
    read = read_recording(text_of(recorder), origin="f").entries
    assert len(read) == len(recorder.entries)
    for kept, found in zip(recorder.entries, read, strict=True):
        if not isinstance(kept, Cycle):
            assert found == kept
            continue
        assert isinstance(found, Cycle)
        assert (found.snapshot, found.plan, found.orders) == (kept.snapshot, kept.plan, kept.orders)
        assert found.memory.paths == kept.memory.paths
        assert (found.now, found.scope, found.idle) == (kept.now, kept.scope, kept.idle)


def test_a_path_is_written_once_however_many_cycles_have_it(daemon: Virtual) -> None:
    recorder = Recorder()
    for _ in range(10):
        recorder.considered(considered(daemon.service.world.snapshot(lambda path: replace(path))))
    documents = [json.loads(line) for line in text_of(recorder).splitlines()]
    paths = [each for each in documents if "value" in each and "address" in each["is"]]
    assert len(paths) == len(cycles(recorder)[0].snapshot.paths)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        ("{}\n", "not a flight recorder's file"),
        ('{"format": "mpathctl-recorder", "version": 9}\n', "unknown version 9"),
        ('{"format": "mpathctl-recorder", "version": 1, "program": "1", "at": 0}\n{"cycle"', "line 2"),
        ('{"format": "mpathctl-recorder", "version": 1, "program": "1", "at": 0}\n{"cycle": 1}\n', "line 2"),
        ('{"format": "mpathctl-recorder", "version": 1, "program": "1", "at": 0}\n[]\n', "line 2"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read_recording(text, origin="the file")


# ---- written by the daemon


def written(daemon: Virtual) -> list[str]:
    return [name for name in daemon.host.list_directory(dumps.DIRECTORY) if name.startswith("recorder-")]


def test_a_client_has_the_recorder_written_and_is_told_where(daemon: Virtual) -> None:
    reply = daemon.ask("dump recorder")
    assert reply.startswith("/run/mpathctl/recorder-")
    assert reply.endswith(".jsonl\n")
    assert daemon.host.kernel.tree.lookup(reply.strip())[1].mode == 0o600  # type: ignore[union-attr]  # a file
    text = daemon.host.read_file(reply.strip()).decode()
    assert len(read_recording(text, origin=reply).entries) == len(daemon.service.recorder.entries)


def test_only_root_may_have_it_written(daemon: Virtual) -> None:
    assert daemon.ask("dump recorder", uid=1000).startswith("fail\npermission")


def test_a_signal_has_it_written_too(daemon: Virtual) -> None:
    daemon.service.dump()
    daemon.until(lambda: any("the flight recorder is in /run" in event.text for event in daemon.events))
    assert len(written(daemon)) == 1


def test_two_who_ask_at_the_same_time_get_one_file(daemon: Virtual) -> None:
    replies: list[str] = []
    daemon.service.dumps.dump(replies.append)
    daemon.service.dumps.dump(replies.append)
    daemon.until(lambda: len(replies) == 2)
    assert replies[0] == replies[1]
    assert len(written(daemon)) == 1


def test_no_more_than_eight_files_are_kept_and_the_oldest_go(daemon: Virtual) -> None:
    names = []
    for _ in range(10):
        names.append(daemon.ask("dump recorder").strip().rpartition("/")[2])
        daemon.live(1.5)
    assert written(daemon) == sorted(names[2:])


def test_who_asks_is_told_when_it_can_not_be_written(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(daemon.host, "replace_file", full)
    assert daemon.ask("dump recorder") == "fail\n/run/mpathctl: No space left on device\n"


def test_nothing_is_loaded_when_it_is_written() -> None:
    """Also not when metrics are written, or a changed configuration is looked at."""
    program = """
import sys
from tests.service.test_config_news import Watched, other
from tests.service.virtual import Virtual
from controller.runtime.textfile import Textfile

watched = Watched()
daemon = watched.daemon
before = set(sys.modules)
daemon.service.loop.add([Textfile(daemon.service, daemon.host, "/var/x.prom").chore])
assert daemon.ask("dump recorder").startswith("/run/")
assert watched.write(other(watched.text))
assert daemon.host.read_file("/var/x.prom")
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "[]\n"


# ---- decided again


def replayed(daemon: Virtual) -> list[replaying.Replayed]:
    return list(replay(read_recording(text_of(daemon.service.recorder), origin="f").entries))


def test_this_program_decides_again_as_it_did(daemon: Virtual) -> None:
    found = replayed(lived(daemon))
    assert len(found) > 10
    assert any(each.cycle.scope for each in found)
    assert any(each.cycle.plan.steps for each in found)
    assert [each.cycle.number for each in found if not each.same or each.maps] == []


def test_a_recorder_that_begins_in_the_middle_is_decided_the_same(daemon: Virtual) -> None:
    recorder = lived(daemon).service.recorder
    recorder._kept = 5
    recorder._make_room()
    assert all(each.same for each in replayed(daemon))


def changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[MapPlan], MapPlan]) -> None:
    """Have today's program plan otherwise."""
    real = deciding.decide

    def other(*arguments: object, **options: object) -> object:
        decision, maps = real(*arguments, **options)  # type: ignore[arg-type]  # handed on
        plan = replace(decision.plan, maps=tuple(map(change, decision.plan.maps)))
        return replace(decision, plan=plan), maps

    monkeypatch.setattr(replaying, "decide", other)


def test_a_program_that_does_less_is_found_out(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(monkeypatch, lambda plan: replace(plan, steps=()))
    different = [each for each in replayed(daemon) if not each.same]
    assert different
    assert all(any(each.recorded and each.recorded.steps for each in found.maps) for found in different)


def test_a_program_with_other_words_decides_the_same(daemon: Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(monkeypatch, lambda plan: replace(plan, reasons=("just so",)))
    found = replayed(daemon)
    assert all(each.same for each in found)
    assert any(each.maps for each in found)


def test_outcomes_are_remembered_in_a_replay(daemon: Virtual) -> None:
    """A refusal holds a step back: who forgets it would try again at once."""
    daemon.host.faults.fail_ioctl("DM_TABLE_LOAD", errno.EINVAL, count=5)
    daemon.host.happen("delete", "sdc")
    daemon.live(10)
    entries = read_recording(text_of(daemon.service.recorder), origin="f").entries
    forgetful = [entry for entry in entries if isinstance(entry, Cycle)]
    assert all(each.same for each in replay(entries))
    assert any(not each.same for each in replay(forgetful))


# ---- the command


def test_the_command_says_that_all_is_the_same(
    daemon: Virtual, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text(text_of(lived(daemon).service.recorder))
    assert mpathctl(["replay", str(file)]) == 0
    assert "all are decided the same" in capsys.readouterr().out


def test_the_command_tells_what_is_decided_otherwise(
    daemon: Virtual, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text(text_of(daemon.service.recorder))
    changed(monkeypatch, lambda plan: replace(plan, steps=(), action="nothing") if plan.name == "data" else plan)
    assert mpathctl(["replay", str(file)]) == 2
    out = capsys.readouterr().out
    assert "decided otherwise" in out
    assert "- create data" in out
    assert "today:    nothing" in out
    assert mpathctl(["replay", "--json", str(file)]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["same"] is False
    different = next(cycle for cycle in document["cycles"] if not cycle["same"])
    assert different["maps"][0]["today"]["steps"] == []
    assert "CreateMap" in {step["step"] for step in different["maps"][0]["recorded"]["steps"]}


def test_a_file_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert mpathctl(["replay", "/nowhere"]) == 1
    assert "/nowhere: No such file" in capsys.readouterr().err
