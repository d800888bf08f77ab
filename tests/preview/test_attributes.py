"""A write to an attribute is the same step whatever the map is called for whose sake it is done."""

from actuators.steps import MapRef, WriteTunable
from controller.reconcile.preview import Cause, trace
from observers.snapshot import Alias, DmUuid


def write(name: str, value: str = "5") -> WriteTunable:
    ref = MapRef(DmUuid("mpath-3600"), Alias(name))
    return WriteTunable(map=ref, file="/sys/devices/x/fast_io_fail_tmo", value=value, expected="off")


def test_a_new_alias_does_not_make_a_write_another_one() -> None:
    (traced,) = trace([write("data")], [write("store")])
    assert traced.cause is Cause.DUE


def test_another_value_does() -> None:
    (traced,) = trace([write("data")], [write("data", "7")])
    assert traced.cause is Cause.ALTERED
