"""Whole cycles: attributes are set in an order that the kernel takes, once, and never under a map that lives."""

import errno
from dataclasses import replace

import pytest

from actuators.steps import Changed, CreateMap, FailPath, MapRef, Refused, Step, WriteTunable
from controller.reconcile import safety
from controller.reconcile.explain import plan_text
from controller.reconcile.memory import LONGEST_WAIT, after_apply
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.runtime import cycle
from controller.sandbox.san import Transport
from observers.kernel.dm_ioctl import Flag
from tests.sandbox import dm
from tests.tunables.hosts import FIRST, SECOND, decide, host, reconcile, text

RPORT = "/sys/class/fc_remote_ports/rport-1:0-0"


def writes(decision: cycle.Decision) -> list[tuple[str, str, str]]:
    """Object, attribute and value of every write of a plan."""
    return [
        (step.file.split("/")[-2], step.file.split("/")[-1], step.value)
        for step in decision.plan.steps
        if isinstance(step, WriteTunable)
    ]


def of(decision: cycle.Decision, wwid: str) -> MapPlan:
    return next(each for each in decision.plan.maps if each.wwid == wwid)


def test_a_shared_port_is_set_once_and_a_second_plan_is_empty() -> None:
    san = host(defaults="no_path_retry queue\nuser_friendly_names no")
    assert writes(decide(san)) == [(f"rport-{n}:0-0", "dev_loss_tmo", "4294967295") for n in (1, 2)]
    assert reconcile(san).converged
    assert text(san, f"{RPORT}/dev_loss_tmo") == "4294967295"
    assert decide(san).plan.steps == ()


def test_an_attribute_that_somebody_changed_is_set_again() -> None:
    san = host(defaults="dev_loss_tmo 100")
    reconcile(san)
    san.write_attribute(f"{RPORT}/dev_loss_tmo", b"90")
    decision = decide(san)
    assert writes(decision) == [("rport-1:0-0", "dev_loss_tmo", "100")]
    assert [each.action for each in decision.plan.maps] == ["tunables", "nothing"]
    assert "dev_loss_tmo 90 -> 100 of rport-1:0-0: defaults section (/etc/multipath.conf:3)" in plan_text(decision.plan)
    assert reconcile(san).converged


def test_a_port_is_kept_longer_for_the_moment_so_that_io_may_fail_later() -> None:
    san = host(defaults="fast_io_fail_tmo 80\ndev_loss_tmo 700")
    mine = [(name, value) for owner, name, value in writes(decide(san)) if owner == "rport-1:0-0"]
    assert mine == [("dev_loss_tmo", "81"), ("fast_io_fail_tmo", "80"), ("dev_loss_tmo", "700")]
    result = reconcile(san)
    assert all(isinstance(what, Changed) for step, what in result.outcomes if isinstance(step, WriteTunable))
    assert (text(san, f"{RPORT}/fast_io_fail_tmo"), text(san, f"{RPORT}/dev_loss_tmo")) == ("80", "700")


@pytest.mark.parametrize("end", [(5, 60), (30, 600), ("off", 600), (5, 4294967295)])
@pytest.mark.parametrize("start", [(5, 60), (50, 4294967295), ("off", 600), (0, 1)])
def test_from_any_setting_to_any_other(start: tuple[object, int], end: tuple[object, int]) -> None:
    san = host(defaults=f"fast_io_fail_tmo {end[0]}\ndev_loss_tmo {end[1]}")
    san.write_attribute(f"{RPORT}/dev_loss_tmo", b"600")
    for name, value in (("fast_io_fail_tmo", start[0]), ("dev_loss_tmo", start[1])):
        san.write_attribute(f"{RPORT}/{name}", str(value).encode())
    assert reconcile(san).converged
    assert (text(san, f"{RPORT}/fast_io_fail_tmo"), text(san, f"{RPORT}/dev_loss_tmo")) == (str(end[0]), str(end[1]))


def test_a_session_and_what_belongs_to_adapter_and_disk() -> None:
    san = host(Transport.ISCSI, defaults="fast_io_fail_tmo 20\neh_deadline 30\nmax_retries off")
    assert reconcile(san).converged
    session = san.list_directory("/sys/class/iscsi_session")[0]
    assert text(san, f"/sys/class/iscsi_session/{session}/recovery_tmo") == "20"
    assert text(san, "/sys/class/scsi_host/host1/eh_deadline") == "30"
    assert text(san, "/sys/block/sda/device/scsi_disk/1:0:0:1/max_retries") == "-1"
    assert decide(san).plan.steps == ()


def test_the_size_of_requests_is_set_before_the_map_is_made() -> None:
    san = host(defaults="max_sectors_kb 512")
    steps = of(decide(san), FIRST).steps
    at = next(n for n, step in enumerate(steps) if isinstance(step, CreateMap))
    assert [step.file.split("/")[-3] for step in steps[:at] if isinstance(step, WriteTunable)] == ["sda", "sdc"]
    assert reconcile(san).converged
    assert {text(san, f"/sys/block/{disk}/queue/max_sectors_kb") for disk in ("sda", "sdb", "sdc", "sdd")} == {"512"}


def test_the_size_of_requests_is_never_changed_under_a_map_that_lives() -> None:
    san = host()
    reconcile(san)
    config = san.read_file("/etc/multipath.conf").replace(b"greedy", b"greedy\n\tmax_sectors_kb 512")
    san.replace_file("/etc/multipath.conf", config, mode=0o600)
    assert decide(san).plan.steps == ()


def test_the_section_of_a_map_concerns_its_disks_alone() -> None:
    san = host(more=f"multipaths {{\n\tmultipath {{\n\t\twwid {SECOND}\n\t\tmax_sectors_kb 256\n\t}}\n}}\n")
    reconcile(san)
    sizes = [text(san, f"/sys/block/{disk}/queue/max_sectors_kb") for disk in ("sda", "sdb", "sdc", "sdd")]
    assert sizes == ["1280", "256", "1280", "256"]


def test_a_port_that_is_away_is_set_when_it_is_back() -> None:
    san = host(defaults="dev_loss_tmo 100")
    reconcile(san)
    san.write_attribute(f"{RPORT}/dev_loss_tmo", b"60")
    san.happen("adapter-down", "1")
    decision = decide(san)
    assert writes(decision) == []
    assert "when its target is back: now it is Blocked" in plan_text(decision.plan)
    san.happen("adapter-up", "1")
    assert writes(decide(san)) == [("rport-1:0-0", "dev_loss_tmo", "100")]


def test_a_refusal_is_told_and_stops_nothing() -> None:
    san = host(Transport.SAS, defaults="dev_loss_tmo 60")
    result = reconcile(san)
    refused = [step for step, what in result.outcomes if isinstance(what, Refused)]
    assert {type(step) for step in refused} == {WriteTunable}
    assert len(refused) == len({step.file for step in refused if isinstance(step, WriteTunable)})
    assert {each.wwid for each in result.last.snapshot.maps} == {FIRST, SECOND}
    assert result.converged


def applied(decision: cycle.Decision, now: float, outcome: Changed | Refused) -> Memory:
    done = [(step, outcome) for step in decision.plan.steps if isinstance(step, WriteTunable)]
    return after_apply(decision.memory, decision.plan, done, now)


def test_an_attribute_that_refused_is_asked_again_later_and_later() -> None:
    san = host(defaults="eh_deadline 30")
    reconcile(san)
    san.write_attribute("/sys/class/scsi_host/host1/eh_deadline", b"off")
    memory = Memory()
    for wait in (5, 10, 20, 40, 80, 160, LONGEST_WAIT, LONGEST_WAIT):
        asked = decide(san, memory)
        assert len(writes(asked)) == 1
        memory = applied(asked, san.monotonic(), Refused(errno.EINVAL, "no"))
        later = decide(san, memory)
        assert writes(later) == []
        assert f"not now: refused (no); tries again in {wait:.0f} s" in plan_text(later.plan)
        assert later.plan.wake_at == san.monotonic() + wait
        san.advance(wait)


def test_an_attribute_in_which_the_kernel_keeps_another_value_is_not_asked_again() -> None:
    san = host(defaults="eh_deadline 30")
    reconcile(san)
    san.write_attribute("/sys/class/scsi_host/host1/eh_deadline", b"29")
    memory = applied(decide(san), san.monotonic(), Changed(note="the kernel made 29 of it", kept="29"))
    san.advance(10 * LONGEST_WAIT)
    later = decide(san, memory)
    assert writes(later) == []
    assert "but the kernel makes 29 of it" in plan_text(later.plan)
    san.write_attribute("/sys/class/scsi_host/host1/eh_deadline", b"28")
    assert writes(decide(san, memory)) != []


def test_a_path_to_another_unit_is_failed_before_anything_is_set() -> None:
    san = host(defaults="eh_deadline 30")
    reconcile(san)
    san.write_attribute("/sys/class/scsi_host/host1/eh_deadline", b"off")
    san.happen("remap", "plain:1", "plain:2")
    plan = decide(san).plan
    kinds = [[type(step) for step in each.steps] for each in plan.maps if FailPath in map(type, each.steps)]
    assert kinds
    assert all(each[0] is FailPath for each in kinds)


def test_a_map_that_is_suspended_is_left_alone() -> None:
    san = host(defaults="max_retries 2")
    reconcile(san)
    san.write_attribute("/sys/block/sda/device/scsi_disk/1:0:0:1/max_retries", b"5")
    assert writes(decide(san)) == [("1:0:0:1", "max_retries", "2")]
    dm.suspend(san, FIRST, flags=Flag.DM_NOFLUSH_FLAG)
    assert writes(decide(san)) == []


# ---- the linter


def findings(decision: cycle.Decision, wwid: str, *steps: Step) -> list[str]:
    plan = Plan(maps=(replace(of(decision, wwid), steps=steps),))
    return [each.text for each in safety.check(plan, decision.snapshot, decision.desired)]


def test_an_attribute_of_something_else_stops_the_map() -> None:
    decision = decide(host(defaults="eh_deadline 30"))
    plan = of(decision, FIRST)
    stray = WriteTunable(map=MapRef(plan.uuid, plan.name), file="/sys/other/eh_deadline", value="1", expected="0")
    assert findings(decision, FIRST, stray) == ["/sys/other/eh_deadline is no attribute of a path of the map"]
    assert findings(decision, FIRST, *plan.steps) == []


def test_the_size_of_requests_under_a_map_that_lives_stops_the_map() -> None:
    san = host(defaults="max_sectors_kb 512")
    before = of(decide(san), FIRST).steps
    reconcile(san)
    (text_of_first, *_) = findings(decide(san), FIRST, *(step for step in before if isinstance(step, WriteTunable)))
    assert "under a map that lives" in text_of_first
