"""What the attributes should be: the two timeouts together, and what maps that share a port agree on."""

from dataclasses import replace

import pytest

from desired.config import load_config
from desired.model import DesiredMap, Origin, OriginKind, Resolved, Tuning
from desired.precedence import DeviceKind, settings_for
from desired.tunables import FOREVER, longest_wait, settle, wishes
from observers.snapshot import Bus, TextFile
from tests.planner.builders import wanted

FC, ISCSI, SAS = "scsi:fcp", "scsi:iscsi", "scsi:sas"


def wished(defaults: str = "", protocol: str = FC, *, retry: str = "", bus: Bus = Bus.SCSI) -> dict[str, str]:
    return {name: value.value for name, value in resolved(defaults, protocol, retry=retry, bus=bus).items()}


def resolved(
    defaults: str = "", protocol: str = FC, *, retry: str = "", bus: Bus = Bus.SCSI
) -> dict[str, Resolved[str]]:
    lines = "\n".join(defaults.split("; "))
    config = load_config((TextFile("/etc/multipath.conf", f"defaults {{\n{lines}\n}}\n"),))
    layers = settings_for(config, DeviceKind("V", "P", "1", protocol, bus))
    return dict(wishes(layers, protocol, bus, no_path_retry=retry, max_sectors=None).values)


def test_io_fails_after_five_seconds_where_nobody_says_otherwise() -> None:
    assert wished() == {"fast_io_fail_tmo": "5"}
    assert wished(protocol=ISCSI) == {"recovery_tmo": "5"}
    assert wished(protocol=SAS) == {}


@pytest.mark.parametrize("protocol", ["scsi:unspec", "scsi:ata"])
def test_a_transport_without_such_timeouts_has_none(protocol: str) -> None:
    assert wished("dev_loss_tmo 30; eh_deadline 10", protocol, retry="queue") == {"eh_deadline": "10"}


def test_only_scsi_devices_have_any() -> None:
    assert wished("eh_deadline 10; max_retries 2", "nvme:tcp", bus=Bus.NVME) == {}


@pytest.mark.parametrize(
    ("retry", "interval", "seconds"),
    [("", 5, 0), ("fail", 5, 0), ("12", 5, 66), ("1", 5, 10), ("30", 20, 615), ("queue", 5, FOREVER),
     ("4000000000", 5, FOREVER)],
)  # fmt: skip
def test_a_map_waits_for_its_checks_and_a_margin(retry: str, interval: int, seconds: int) -> None:
    assert longest_wait(retry, interval) == seconds


def test_a_port_is_kept_as_long_as_the_map_waits() -> None:
    found = resolved("dev_loss_tmo 30", retry="12")["dev_loss_tmo"]
    assert (found.value, found.origin.kind, found.origin.why) == (
        "66", OriginKind.IMPLIED, "no_path_retry 12 waits as long for a path",
    )  # fmt: skip
    assert found.replaced is not None
    assert wished(retry="queue")["dev_loss_tmo"] == "4294967295"
    assert wished("dev_loss_tmo 100", retry="12")["dev_loss_tmo"] == "100"


def test_the_polling_interval_counts() -> None:
    assert wished("polling_interval 10", retry="12")["dev_loss_tmo"] == "127"


def test_io_that_would_fail_too_late_never_fails_early() -> None:
    assert wished("fast_io_fail_tmo 30; dev_loss_tmo 30") == {"fast_io_fail_tmo": "off", "dev_loss_tmo": "30"}
    assert wished("fast_io_fail_tmo 29; dev_loss_tmo 30") == {"fast_io_fail_tmo": "29", "dev_loss_tmo": "30"}
    assert wished("fast_io_fail_tmo 30; dev_loss_tmo 30", ISCSI) == {}


@pytest.mark.parametrize(
    ("fail", "retry", "seconds"),
    [("off", "", "600"), ("off", "queue", "600"), ("0", "", "600"), ("0", "queue", "4294967295"),
     ("5", "", "4294967295")],
)  # fmt: skip
def test_without_failing_early_600_s_are_the_most(fail: str, retry: str, seconds: str) -> None:
    found = wished(f"fast_io_fail_tmo {fail}; dev_loss_tmo infinity", retry=retry)
    assert (found["fast_io_fail_tmo"], found["dev_loss_tmo"]) == (fail, seconds)


def test_a_session_has_no_other_timeout() -> None:
    assert wished("fast_io_fail_tmo 20; dev_loss_tmo 700", ISCSI) == {"recovery_tmo": "20"}
    assert wished("fast_io_fail_tmo off", ISCSI) == {}
    assert wished("fast_io_fail_tmo 0", ISCSI) == {}


def test_a_sas_end_device_has_only_the_other_one() -> None:
    assert wished("dev_loss_tmo 700", SAS) == {"I_T_nexus_loss_timeout": "700"}


def test_error_handling_and_retries() -> None:
    assert wished("eh_deadline off; max_retries off")["eh_deadline"] == "off"
    assert wished("max_retries off")["max_retries"] == "-1"
    assert wished("max_retries 0")["max_retries"] == "0"


# ---- what maps share


def tuned(name: str, **values: str) -> DesiredMap:
    origin = Origin(OriginKind.DEFAULTS, f"of {name}")
    tunings = tuple(Tuning(f"/port/{file}", Resolved(value, origin)) for file, value in values.items())
    return replace(wanted(name, [0]), tunings=tunings)


def agreed(*maps: DesiredMap) -> list[dict[str, str]]:
    return [{tuning.name: tuning.wanted.value for tuning in each.tunings} for each in settle(maps)]


def test_the_map_that_waits_longest_decides_how_long_a_port_is_kept() -> None:
    assert agreed(tuned("a", dev_loss_tmo="30"), tuned("b", dev_loss_tmo="600")) == [{"dev_loss_tmo": "600"}] * 2


@pytest.mark.parametrize(("one", "other", "both"), [("5", "20", "5"), ("off", "20", "20"), ("0", "off", "0")])
def test_the_map_that_waits_shortest_decides_when_io_fails(one: str, other: str, both: str) -> None:
    maps = tuned("a", fast_io_fail_tmo=one), tuned("b", fast_io_fail_tmo=other)
    assert agreed(*maps) == agreed(*reversed(maps)) == [{"fast_io_fail_tmo": both}] * 2


def test_the_origin_says_that_another_map_needs_it() -> None:
    first = settle([tuned("a", dev_loss_tmo="30"), tuned("b", dev_loss_tmo="600")])[0].tunings[0]
    assert first.wanted.origin.why == ("another map over the same port or adapter needs it: defaults section (of b)")


def test_a_map_that_is_rejected_has_no_say() -> None:
    maps = tuned("a", dev_loss_tmo="30"), replace(tuned("b", dev_loss_tmo="600"), reject="sizes differ")
    assert agreed(*maps)[0] == {"dev_loss_tmo": "30"}
