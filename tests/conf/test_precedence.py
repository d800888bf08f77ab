"""Who wins: the layers of each option, their order, and what lost."""

from typing import Any

import pytest

from desired.config import Config
from desired.model import Failback, FailbackMode, OriginKind
from desired.options import (
    ALIAS,
    DETECT_PRIO,
    DEV_LOSS_TMO,
    FAILBACK_OPTION,
    FAST_IO_FAIL_TMO,
    HARDWARE_HANDLER,
    MODE,
    NO_PATH_RETRY,
    OPTIONS,
    PATH_CHECKER,
    PATH_SELECTOR,
    POLLING_INTERVAL,
    PRIO,
    UID_ATTRIBUTE,
    Layer,
    Option,
)
from desired.precedence import DeviceKind, Layers, global_settings, matching_entries, settings_for
from observers.errors import InvariantBroken
from observers.snapshot import Bus, Wwid
from tests.conf.reading import MAIN, config

ACME = DeviceKind("ACME", "Box", "1.0", "scsi:fcp", Bus.SCSI)
NETAPP = DeviceKind("NETAPP", "LUN C-Mode", "9.8", "scsi:iscsi", Bus.SCSI)
NVME = DeviceKind("NVME", "Pure Storage FlashArray", "1.0", "nvme:tcp", Bus.NVME)
W = Wwid("36001")

ALL_LAYERS = """
defaults {
  no_path_retry 1
  fast_io_fail_tmo 11
}
devices {
  device {
    vendor ACME
    product .*
    no_path_retry 2
    fast_io_fail_tmo 12
  }
  device {
    vendor ACME
    product Box
    no_path_retry 3
  }
}
overrides {
  no_path_retry 4
  fast_io_fail_tmo 14
  protocol {
    type scsi:fcp
    fast_io_fail_tmo 15
  }
}
multipaths {
  multipath {
    wwid 36001
    no_path_retry 6
  }
}
"""


def layers(text: str, kind: DeviceKind = ACME, wwid: Wwid | None = W) -> Layers:
    return settings_for(config(text), kind, wwid)


def values(found: Layers, option: Option[Any]) -> list[object]:
    return [resolved.value for resolved in found.all_layers(option)]


def test_a_property_of_maps_is_looked_up_from_the_map_to_the_defaults() -> None:
    assert values(layers(ALL_LAYERS), NO_PATH_RETRY) == [6, 4, 3, 2, 1]


def test_a_property_of_the_transport_is_looked_up_from_the_protocol_to_what_is_built_in() -> None:
    assert values(layers(ALL_LAYERS), FAST_IO_FAIL_TMO) == [15, 14, 12, 11, 5]


def test_another_protocol_has_no_protocol_layer() -> None:
    kind = DeviceKind("ACME", "Box", "1.0", "scsi:iscsi", Bus.SCSI)
    assert values(layers(ALL_LAYERS, kind), FAST_IO_FAIL_TMO) == [14, 12, 11, 5]


def test_another_map_has_no_map_layer() -> None:
    assert values(layers(ALL_LAYERS, wwid=Wwid("36002")), NO_PATH_RETRY) == [4, 3, 2, 1]
    assert values(layers(ALL_LAYERS, wwid=None), NO_PATH_RETRY) == [4, 3, 2, 1]


def test_the_winner_names_the_layer_and_the_line() -> None:
    resolved = layers(ALL_LAYERS).require(NO_PATH_RETRY)
    assert resolved.origin.kind is OriginKind.MULTIPATHS
    assert resolved.origin.where == f"{MAIN}:30"


def test_every_loser_names_its_layer() -> None:
    kinds = [resolved.origin.kind for resolved in layers(ALL_LAYERS).all_layers(NO_PATH_RETRY)]
    assert kinds == [
        OriginKind.MULTIPATHS,
        OriginKind.OVERRIDES,
        OriginKind.DEVICES,
        OriginKind.DEVICES,
        OriginKind.DEFAULTS,
    ]


def test_without_any_setting_the_built_in_default_holds() -> None:
    resolved = layers("").require(PATH_SELECTOR)
    assert (resolved.value, resolved.origin.kind) == ("service-time 0", OriginKind.BUILT_IN)


def test_without_setting_and_default_there_is_no_value() -> None:
    assert layers("").lookup(DEV_LOSS_TMO) is None
    with pytest.raises(InvariantBroken):
        layers("").require(DEV_LOSS_TMO)


def test_the_built_in_table_stands_between_defaults_and_overrides_and_names_its_entry() -> None:
    found = layers("defaults {\n prio emc\n}\n", NETAPP)
    assert values(found, PRIO) == ["ontap", "emc", "const"]
    assert str(found.require(PRIO).origin) == "built-in hardware table (NETAPP/LUN)"


def test_a_configured_entry_is_stronger_than_a_built_in_one() -> None:
    text = 'devices {\n device {\n vendor ".*"\n product ".*"\n prio alua\n }\n}\n'
    assert values(layers(text, NETAPP), PRIO) == ["alua", "ontap", "const"]


def test_each_property_comes_from_the_strongest_entry_that_sets_it() -> None:
    found = layers("", NVME)
    assert (found.require(NO_PATH_RETRY).value, found.require(PATH_CHECKER).value) == (10, "none")
    assert found.require(FAILBACK_OPTION).value == Failback(FailbackMode.IMMEDIATE)


def test_a_property_without_a_map_layer_ignores_the_map() -> None:
    assert Layer.MULTIPATH not in DETECT_PRIO.layers
    assert Layer.DEFAULTS in HARDWARE_HANDLER.layers
    assert Layer.OVERRIDES not in HARDWARE_HANDLER.layers


def test_mode_comes_from_the_map_or_the_defaults() -> None:
    text = "defaults {\n mode 0600\n}\nmultipaths {\n multipath {\n wwid 36001\n mode 0660\n }\n}\n"
    assert values(layers(text), MODE) == [0o660, 0o600]
    assert values(layers(text, wwid=Wwid("x")), MODE) == [0o600]


@pytest.mark.parametrize(
    ("bus", "attribute"),
    [(Bus.SCSI, "ID_SERIAL"), (Bus.NVME, "ID_WWN"), (Bus.CCW, "ID_UID"), (Bus.UNKNOWN, "ID_SERIAL")],
)
def test_the_built_in_uid_attribute_depends_on_the_bus(bus: Bus, attribute: str) -> None:
    kind = DeviceKind("x", "y", "", "undef", bus)
    assert layers("", kind).require(UID_ATTRIBUTE).value == attribute


def test_global_settings_are_the_defaults_over_what_is_built_in() -> None:
    found = global_settings(config("defaults {\n polling_interval 7\n}\n"))
    assert values(found, POLLING_INTERVAL) == [7, 5]


def test_an_alias_that_another_map_holds_has_no_effect() -> None:
    entry = "multipaths {{\n multipath {{\n wwid {}\n alias x\n prio emc\n }}\n}}\n"
    both = config(entry.format("a"), entry.format("b"))
    assert settings_for(both, ACME, Wwid("a")).require(ALIAS).value == "x"
    assert settings_for(both, ACME, Wwid("b")).lookup(ALIAS) is None
    assert settings_for(both, ACME, Wwid("b")).require(PRIO).value == "emc"


class TestMatching:
    """Which entries of the device table are for a device."""

    def names(self, result: Config, kind: DeviceKind) -> list[str]:
        return [entry.product for entry in matching_entries(result, kind)]

    def table(self, *entries: str) -> Config:
        return config("devices {\n" + "".join(f"device {{\n{entry}\n}}\n" for entry in entries) + "}\n")

    def test_expressions_are_found_anywhere_and_by_case(self) -> None:
        table = self.table("vendor CM\nproduct o", "vendor acme\nproduct Box")
        assert self.names(table, ACME) == ["o"]

    def test_the_last_entry_is_the_strongest(self) -> None:
        assert self.names(self.table("vendor ACME\nproduct B", "vendor ACME\nproduct Bo"), ACME) == ["Bo", "B"]

    def test_a_revision_must_match_when_the_entry_has_one(self) -> None:
        table = self.table("vendor ACME\nproduct a?\nrevision 1", "vendor ACME\nproduct b?\nrevision 2")
        assert self.names(table, ACME) == ["a?"]

    @pytest.mark.parametrize("bus", [Bus.NVME, Bus.CCW])
    def test_buses_without_revision_never_match_an_entry_with_one(self, bus: Bus) -> None:
        table = self.table('vendor ACME\nproduct B\nrevision ""', "vendor ACME\nproduct Bo")
        assert self.names(table, DeviceKind("ACME", "Box", "1", "undef", bus)) == ["Bo"]

    def test_an_expression_that_is_none_matches_nothing(self) -> None:
        assert self.names(self.table('vendor "("\nproduct .', "vendor ACME\nproduct ."), ACME) == ["."]

    def test_an_exclamation_mark_is_a_letter(self) -> None:
        assert self.names(self.table('vendor "!X"\nproduct .'), ACME) == []

    def test_known_hardware_is_hardware_that_an_entry_matches(self) -> None:
        assert layers("", NETAPP).known_hardware
        assert not layers("", ACME).known_hardware


def test_results_are_kept_per_kind_of_device() -> None:
    result = config(ALL_LAYERS)
    assert settings_for(result, ACME) is settings_for(result, DeviceKind("ACME", "Box", "1.0", "scsi:fcp", Bus.SCSI))


@pytest.mark.parametrize("option", [row for row in OPTIONS if row.layers], ids=lambda row: row.keyword)
def test_every_property_has_a_layer_for_each_section_that_takes_it(option: Option[Any]) -> None:
    needed = {
        "defaults": Layer.DEFAULTS,
        "devices/device": Layer.DEVICE,
        "overrides": Layer.OVERRIDES,
        "overrides/protocol": Layer.PROTOCOL,
        "multipaths/multipath": Layer.MULTIPATH,
    }
    assert {needed[section.value] for section in option.sections} <= set(option.layers)
