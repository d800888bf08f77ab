"""NVMe through the whole cycle: maps over namespaces, controllers that go and come, and native multipathing."""

import pytest

from controller.runtime.cycle import Files, Result, reconcile
from controller.sandbox.block import Kind
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario, parse_scenario
from desired.model import Verdict
from observers.snapshot import Map

FIRST, SECOND = "uuid.6b1d0000-0000-4000-8000-000000000001", "eui.6b1d00000000400080000000000000a2"


def run(host: SandboxHost) -> tuple[Result, list[str]]:
    """Reconcile; what it did, a word for each step that changed something."""
    done: list[str] = []
    result = reconcile(
        host,
        Files(),
        on_decision=lambda _: None,
        on_outcome=lambda step, _: done.append(f"{type(step).__name__} {getattr(step, 'name', '')}".strip()),
    )
    return result, done


@pytest.fixture
def host() -> SandboxHost:
    host = SandboxHost(load_scenario("nvme-tcp"))
    assert run(host)[0].converged
    return host


def maps(result: Result) -> dict[str, Map]:
    return {each.wwid: each for each in result.last.snapshot.maps}


def groups(host: SandboxHost, result: Result, wwid: str) -> list[list[str]]:
    table = maps(result)[wwid].table
    names = {path.dev: path.name for path in result.last.snapshot.paths}
    assert table is not None
    return [sorted(names.get(path.dev, path.dev) for path in group.paths) for group in table.groups]


def test_namespaces_become_maps_grouped_by_their_ana_states(host: SandboxHost) -> None:
    result, done = run(host)
    assert done == []
    assert groups(host, result, FIRST) == [["nvme0n1", "nvme1n1"], ["nvme2n1"]]
    assert groups(host, result, SECOND) == [["nvme0n2", "nvme1n2"], ["nvme2n2"]]
    table = maps(result)[FIRST].table
    assert table is not None
    assert table.features[-2:] == ("queue_mode", "bio")
    assert table.hardware_handler == ()
    assert host.request("mpatha", Kind.WRITE).result is not None


def test_a_controller_that_loses_its_connection_fails_its_paths_and_no_table_is_loaded(host: SandboxHost) -> None:
    host.advance(61)
    result, done = run(host)
    assert done == ["FailPath nvme1n1", "FailPath nvme1n2"]
    assert groups(host, result, FIRST) == [["nvme0n1", "nvme1n1"], ["nvme2n1"]]
    host.advance(60)
    assert run(host)[1] == ["ReinstatePath nvme1n1", "ReinstatePath nvme1n2"]


def test_another_ana_state_regroups(host: SandboxHost) -> None:
    host.happen("ana", "nvme0", "1", "non-optimized")
    result, _ = run(host)
    assert result.converged
    assert groups(host, result, FIRST) == [["nvme1n1"], ["nvme0n1", "nvme2n1"]]


def test_a_controller_that_is_removed_leaves_the_maps_and_comes_back(host: SandboxHost) -> None:
    host.happen("nvme", "nvme1", "gone")
    result, _ = run(host)
    assert groups(host, result, FIRST) == [["nvme0n1"], ["nvme2n1"]]
    host.happen("nvme", "nvme1", "live")
    result, _ = run(host)
    assert groups(host, result, FIRST) == [["nvme0n1", "nvme1n1"], ["nvme2n1"]]


def test_a_path_that_leads_to_another_namespace_now_is_taken_out(host: SandboxHost) -> None:
    host.happen("nvme-show", "nvme1n1", "2")
    result, _ = run(host)
    verdicts = {each.name: each for each in result.last.desired.admissions}
    assert verdicts["nvme1n1"].verdict is Verdict.MISMATCH  # type: ignore[index]
    assert "udev says uuid.6b1d" in verdicts["nvme1n1"].reason  # type: ignore[index]
    assert groups(host, result, FIRST) == [["nvme0n1"], ["nvme2n1"]]
    host.happen("nvme-show", "nvme1n1", "1")
    result, _ = run(host)
    assert groups(host, result, FIRST) == [["nvme0n1", "nvme1n1"], ["nvme2n1"]]


def test_a_namespace_that_is_not_there_any_more_is_no_path(host: SandboxHost) -> None:
    host.happen("nvme-show", "nvme1n1", "0")
    result, _ = run(host)
    assert groups(host, result, FIRST) == [["nvme0n1"], ["nvme2n1"]]


def test_without_ana_all_paths_are_alike() -> None:
    text = """
nvme nqn.1
    ana off
    controller 0 rdma a
    controller 1 rdma b
    namespace 1 size 1G uuid 6b1d0000-0000-4000-8000-000000000001
file /etc/multipath.conf <<END
defaults {
	find_multipaths yes
}
END
"""
    host = SandboxHost(parse_scenario(text, file="x.san"))
    result, _ = run(host)
    assert result.converged
    assert groups(host, result, FIRST) == [["nvme0n1", "nvme1n1"]]
    table = maps(result)[FIRST].table
    assert table is not None
    assert "bio" not in table.features


@pytest.mark.parametrize("allowed", ["", 'blacklist_exceptions {\n\tdevnode "nvme"\n}\n'])
def test_what_the_kernel_multipaths_is_not_touched_whatever_is_allowed(allowed: str) -> None:
    text = f"""
host
    nvme-multipath on
nvme nqn.1
    controller 0 tcp a
    controller 1 tcp b
    namespace 1 size 1G uuid 6b1d0000-0000-4000-8000-000000000001
file /etc/multipath.conf <<END
defaults {{
	find_multipaths greedy
}}
{allowed}END
"""
    host = SandboxHost(parse_scenario(text, file="x.san"))
    result, done = run(host)
    assert done == []
    assert (result.last.snapshot.maps, result.last.desired.admissions) == ((), ())
    assert [each.wwid for each in result.last.snapshot.foreign_maps] == [FIRST]
    assert sum(host.reads[kind] for kind in ("nvme_inquire", "scsi_inquire", "direct_read")) == 0
