"""What the daemon counts as it goes, and where it can be read: by a client, and in a file for node_exporter."""

import errno
import json
import re

import pytest

from controller.runtime.recorder import Cycle
from controller.runtime.textfile import INTERVAL, Textfile, as_prometheus
from tests.service.virtual import Virtual

FILE = "/var/lib/node_exporter/multipath.prom"


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    return made


def value(text: str, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    assert found, f"{sample} is not in:\n{text}"
    return float(found[1])


def metric(daemon: Virtual, sample: str) -> float:
    return value(daemon.ask("list metrics"), sample)


def test_checks_are_counted_with_what_they_took(daemon: Virtual) -> None:
    before = metric(daemon, "mpath_check_seconds_count")
    assert before >= len(daemon.service.world.names) - 1
    daemon.live(60)
    assert metric(daemon, "mpath_check_seconds_count") > before


def test_large_counts_are_told_to_the_last_digit(daemon: Virtual) -> None:
    daemon.service.counts.uevents = 12_345_678
    assert metric(daemon, "mpath_uevents_total") == 12_345_678


def test_a_check_that_gets_no_answer_counts_with_its_whole_time(daemon: Virtual) -> None:
    daemon.live(10)
    assert metric(daemon, "mpath_check_seconds_sum") < 1
    daemon.host.happen("link", "silent", "sdb")
    daemon.live(60)
    assert metric(daemon, "mpath_check_seconds_sum") > 5


def test_a_path_that_is_offline_is_not_asked_and_not_counted(daemon: Virtual) -> None:
    daemon.live(60)
    for name in tuple(daemon.service.world.names):
        daemon.host.happen("offline", name)
    daemon.live(30)
    before = metric(daemon, "mpath_check_seconds_count")
    daemon.live(30)
    assert metric(daemon, "mpath_check_seconds_count") == before


def test_decisions_and_steps_are_counted(daemon: Virtual) -> None:
    assert metric(daemon, "mpath_cycle_seconds_count") >= 1
    done = metric(daemon, 'mpath_steps_total{outcome="done"}')
    assert done >= 4
    daemon.live(30)
    done, cycles = (
        metric(daemon, sample) for sample in ('mpath_steps_total{outcome="done"}', "mpath_cycle_seconds_count")
    )
    daemon.host.happen("offline", "sdb")
    daemon.until(lambda: daemon.active("data")["sdb"] is False)
    daemon.settled()
    assert metric(daemon, 'mpath_steps_total{outcome="done"}') == done + 1
    assert metric(daemon, "mpath_cycle_seconds_count") > cycles


def test_a_refused_step_is_counted(daemon: Virtual) -> None:
    assert metric(daemon, 'mpath_steps_total{outcome="refused"}') == 0
    daemon.host.faults.fail_ioctl("DM_TABLE_LOAD", errno.EINVAL, count=1)
    daemon.host.happen("delete", "sdb")
    daemon.live(10)
    assert metric(daemon, 'mpath_steps_total{outcome="refused"}') >= 1


def test_announcements_of_transports_are_counted(daemon: Virtual) -> None:
    assert metric(daemon, "mpath_transport_events_total") == 0
    daemon.host.happen("port-down", "ontap/200200a098d0b001")
    daemon.live(1)
    assert metric(daemon, "mpath_transport_events_total") >= 1


def test_the_size_of_the_last_plan_is_told(daemon: Virtual) -> None:
    assert metric(daemon, "mpath_plan_steps") == 0
    sizes = [len(cycle.plan.steps) for cycle in daemon.service.recorder.entries if isinstance(cycle, Cycle)]
    assert max(sizes) >= 4
    assert daemon.service.counts.planned == sizes[-1]


# ---- the file


def write_metrics(daemon: Virtual) -> None:
    daemon.service.loop.add([Textfile(daemon.service, daemon.host, FILE).chore])


def text(daemon: Virtual) -> str:
    return daemon.host.read_file(FILE).decode()


def test_the_file_is_written_at_once_and_again_every_fifteen_seconds(daemon: Virtual) -> None:
    write_metrics(daemon)
    daemon.live(1)
    before = value(text(daemon), "mpath_check_seconds_count")
    daemon.live(2 * INTERVAL)
    assert value(text(daemon), "mpath_check_seconds_count") > before
    node = daemon.host.kernel.tree.lookup(FILE)[1]
    assert node.mode == 0o644  # type: ignore[union-attr]  # a file


def test_the_file_is_of_the_kind_that_node_exporter_reads(daemon: Virtual) -> None:
    write_metrics(daemon)
    daemon.live(1)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text(daemon), re.MULTILINE))
    assert set(kinds.values()) <= {"counter", "gauge", "histogram", "summary", "untyped"}
    assert kinds["mpath_steps_total"] == "counter"
    assert kinds["mpath_path_state"] == "gauge"
    assert "# EOF" not in text(daemon)
    families = tuple(kinds)
    for line in text(daemon).splitlines():
        assert line.startswith(("# TYPE ", "# HELP ", *families)), line


def test_words_of_help_stay_as_they_are() -> None:
    source = "# TYPE a counter\n# HELP a How often.\na_total 3\n# TYPE b unknown\nb 1\n# EOF\n"
    assert as_prometheus(source) == (
        "# TYPE a_total counter\n# HELP a_total How often.\na_total 3\n# TYPE b untyped\nb 1\n"
    )


def test_trouble_is_told_once_and_ends(daemon: Virtual) -> None:
    daemon.host.faults.fail_change(FILE, errno.ENOSPC, count=3)
    write_metrics(daemon)
    daemon.live(4 * INTERVAL)
    told = [event.text for event in daemon.events if "metrics are not written" in event.text]
    assert told == [f"{FILE}: metrics are not written: No space left on device"]
    assert "mpath_map_paths" in text(daemon)


# ---- what clients have done


def deed(daemon: Virtual, request: str) -> dict[str, str]:
    """What was told of the one step that a request led to, which counts as one."""
    before = metric(daemon, 'mpath_steps_total{outcome="done"}')
    number = daemon.service.bulletin.count
    assert daemon.ask(request) == "ok\n"
    assert metric(daemon, 'mpath_steps_total{outcome="done"}') == before + 1
    events = [json.loads(line) for line in daemon.ask(f"list events since {number}").splitlines()]
    (found,) = [event for event in events if event["kind"] == "done"]
    return {name: text for name, text in found.items() if name in ("text", "reason", "map", "path", "level")}


@pytest.mark.parametrize(
    ("request_", "text", "path"),
    [
        ("fail path sdb", "fail path 8:16 (sdb) of data: done", "sdb"),
        ("suspend map data", "suspend data: done", None),
        ("switchgroup map data group 1", "switch data to group 1: it was so already", None),
        ("del map data", "remove data with its partitions: done", None),
    ],
    ids=["message", "by a worker", "switch", "removal"],
)
def test_what_a_client_has_done_is_counted_and_told_with_its_words(
    daemon: Virtual, request_: str, text: str, path: str | None
) -> None:
    daemon.live(30)
    found = deed(daemon, request_)
    level = "notice" if text.endswith("done") else "info"
    expected = {"text": text, "reason": f"asked for: {request_}", "map": "data", "level": level}
    assert found == expected | ({"path": path} if path else {})


def test_what_a_client_was_refused_is_counted_and_told_as_such(daemon: Virtual) -> None:
    daemon.live(30)
    daemon.host.faults.fail_ioctl("DM_DEV_SUSPEND", errno.ENXIO, count=5)
    assert daemon.ask("suspend map data") == "fail\n"
    assert metric(daemon, 'mpath_steps_total{outcome="refused"}') == 1
    assert any(event.text.startswith("suspend data: refused") for event in daemon.events)


def test_a_path_that_the_kernel_fails_is_a_fault_of_its_map(daemon: Virtual) -> None:
    faults = 'show maps raw format "%n %0"'
    assert daemon.ask(faults).splitlines()[0] == "data 0"
    daemon.host.happen("message", "data", "fail_path", "8:16")
    daemon.until(lambda: any("kernel failed" in event.reason for event in daemon.events))
    daemon.until(lambda: daemon.active("data")["sdb"])
    assert daemon.ask(faults).splitlines()[0] == "data 1"


# ---- queueing, and suspended maps

DATA = ("sdb", "sdd", "sdj", "sdl")
"""All paths of the map `data`, whose no_path_retry is `queue`."""


def of_data(daemon: Virtual, name: str) -> float:
    return metric(daemon, f'{name}{{map="data"}}')


def test_a_map_with_paths_does_not_count_as_one_whose_io_waits(daemon: Virtual) -> None:
    daemon.live(30)
    known = daemon.map("data")
    assert known is not None
    assert known.table is not None
    assert known.table.queues
    assert (of_data(daemon, "mpath_map_queueing"), of_data(daemon, "mpath_map_queue_seconds_total")) == (0, 0)


def test_a_map_that_queues_without_end_counts_the_seconds_until_a_path_is_back(daemon: Virtual) -> None:
    daemon.live(30)
    for name in DATA:
        daemon.host.happen("offline", name)
    daemon.until(lambda: not any(daemon.active("data").values()))
    daemon.settled()
    began = of_data(daemon, "mpath_map_queue_seconds_total")
    daemon.live(20)
    assert of_data(daemon, "mpath_map_queueing") == 1
    assert of_data(daemon, "mpath_map_queue_seconds_total") - began == pytest.approx(20, abs=0.5)
    assert daemon.ask('show maps raw format "%n %3"').splitlines()[0] == "data 0"  # as multipathd counts it
    daemon.ask("reset maps stats")
    daemon.host.happen("online", "sdb")
    daemon.until(lambda: daemon.active("data")["sdb"])
    daemon.settled()
    counted = of_data(daemon, "mpath_map_queue_seconds_total")
    assert counted >= began + 20
    daemon.live(20)
    assert of_data(daemon, "mpath_map_queueing") == 0
    assert of_data(daemon, "mpath_map_queue_seconds_total") == counted


def test_io_that_fails_for_want_of_a_path_does_not_wait(daemon: Virtual) -> None:
    daemon.live(30)
    daemon.ask("disablequeueing map data")
    daemon.settled()
    for name in DATA:
        daemon.host.happen("offline", name)
    daemon.live(20)
    assert daemon.active("data") == dict.fromkeys(DATA, False)
    assert (of_data(daemon, "mpath_map_queueing"), of_data(daemon, "mpath_map_queue_seconds_total")) == (0, 0)


def test_a_map_that_is_suspended_is_told_from_the_others(daemon: Virtual) -> None:
    assert of_data(daemon, "mpath_map_suspended") == 0
    daemon.ask("suspend map data")
    daemon.live(1)
    assert of_data(daemon, "mpath_map_suspended") == 1
    assert metric(daemon, 'mpath_map_suspended{map="mpatha"}') == 0
    daemon.ask("resume map data")
    daemon.live(1)
    assert of_data(daemon, "mpath_map_suspended") == 0
