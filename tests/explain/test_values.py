"""Each property with its value, its place, and everything that lost to it."""

from typing import Any

import pytest

from desired.explain import Explanation
from desired.explain_subjects import explain_map_property, explain_path_property
from desired.model import OriginKind
from observers.errors import InputError
from observers.snapshot import Alias, Alua, HostFacts, Path, TextFile
from tests.builders import BINDINGS_FILE, CONFIG_FILE, unit_wwid, with_maps
from tests.explain.worlds import DROP_IN, A, evidence_of, host, line_of, netapp, plain

LAYERED = """\
defaults {
	no_path_retry 1
}
devices {
	device {
		vendor "AC.E"
		product Disk
		no_path_retry 2
	}
	device {
		vendor ACME
		product "^D"
		revision "1"
		no_path_retry 3
	}
}
overrides {
	no_path_retry 4
}
multipaths {
	multipath {
		wwid 36001405%s
		no_path_retry 5
	}
}
""" % A[8:]  # noqa: UP031 - braces all over


def of_map(keyword: str, *paths: Path, config: str = "", **more: Any) -> Explanation:
    return explain_map_property(evidence_of(host(*(paths or (plain(0),)), config=config, **more)), A, keyword)


def of_path(keyword: str, path: Path, config: str = "") -> Explanation:
    return explain_path_property(evidence_of(host(path, config=config)), path.name, keyword)


def losers(found: Explanation) -> list[tuple[str, OriginKind]]:
    return [(each.value, each.origin.kind) for each in found.losers]


def test_the_value_has_the_file_and_line_that_set_it() -> None:
    found = of_map("no_path_retry", config=LAYERED)
    assert (found.value, found.origin and found.origin.kind) == ("5", OriginKind.MULTIPATHS)
    assert found.origin is not None
    assert found.origin.where == f"{CONFIG_FILE}:{line_of(LAYERED, 'no_path_retry 5')}"


def test_all_layers_that_lost_are_there_the_strongest_first() -> None:
    found = of_map("no_path_retry", config=LAYERED)
    assert losers(found) == [
        ("4", OriginKind.OVERRIDES),
        ("3", OriginKind.DEVICES),
        ("2", OriginKind.DEVICES),
        ("1", OriginKind.DEFAULTS),
    ]
    assert [each.origin.where for each in found.losers] == [
        f"{CONFIG_FILE}:{line_of(LAYERED, f'no_path_retry {number}')}" for number in (4, 3, 2, 1)
    ]


def test_a_device_entry_shows_the_expressions_that_matched_and_what_they_matched() -> None:
    third, second = of_map("no_path_retry", config=LAYERED).losers[1:3]
    assert [(each.what, each.expression, each.text) for each in third.chosen_by] == [
        ("vendor", "ACME", "ACME"),
        ("product", "^D", "Disk"),
        ("revision", "1", "1.0"),
    ]
    assert [each.expression for each in second.chosen_by] == ["AC.E", "Disk"]


def test_a_built_in_entry_shows_the_expressions_that_matched() -> None:
    found = of_map("no_path_retry", netapp(0))
    assert (found.value, found.origin and found.origin.kind) == ("queue", OriginKind.HARDWARE_TABLE)
    assert [(each.what, each.expression, each.text) for each in found.chosen_by] == [
        ("vendor", "NETAPP", "NETAPP"),
        ("product", "LUN", "LUN C-Mode"),
    ]


def test_a_protocol_subsection_names_the_protocol() -> None:
    config = "overrides {\nprotocol {\ntype scsi:fcp\nfast_io_fail_tmo 7\n}\n}\n"
    found = of_path("fast_io_fail_tmo", plain(0), config)
    assert (found.value, [each.text for each in found.chosen_by]) == ("7", ["scsi:fcp"])
    assert losers(found) == [("5", OriginKind.BUILT_IN)]


def test_an_earlier_line_of_the_same_section_has_lost_too() -> None:
    found = of_map("failback", config="defaults {\nfailback 3\nfailback 4\n}\ndefaults {\nfailback 5\n}\n")
    assert (found.value, [each.value for each in found.losers]) == ("5", ["4", "3", "manual"])


def test_an_earlier_file_has_lost_too() -> None:
    found = of_map("failback", config="defaults {\nfailback 3\n}\n", drop_in="defaults {\nfailback 4\n}\n")
    assert found.origin is not None
    assert (found.origin.where, found.losers[0].origin.where) == (f"{DROP_IN}:2", f"{CONFIG_FILE}:2")


def test_an_entry_that_was_merged_into_a_later_one_of_the_same_device_has_lost_too() -> None:
    entry = "devices {{\ndevice {{\nvendor ACME\nproduct Disk\nfailback {}\n}}\n}}\n"
    found = of_map("failback", config=entry.format(3), drop_in=entry.format(4))
    assert (found.value, [each.value for each in found.losers]) == ("4", ["3", "manual"])
    assert all([each.text for each in loser.chosen_by] == ["ACME", "Disk"] for loser in found.losers[:1])


def test_a_built_in_entry_that_a_configured_one_replaces_has_lost() -> None:
    config = "devices {\ndevice {\nvendor NETAPP\nproduct LUN\nno_path_retry 9\n}\n}\n"
    found = of_map("no_path_retry", netapp(0), config=config)
    assert (found.value, losers(found)) == ("9", [("queue", OriginKind.HARDWARE_TABLE)])


def test_autodetection_says_what_was_seen_and_all_layers_have_lost() -> None:
    found = of_path("prio", netapp(0))
    assert (found.value, str(found.origin)) == ("sysfs", "storage device autodetected (access_state in sysfs)")
    assert losers(found) == [("ontap", OriginKind.HARDWARE_TABLE), ("const", OriginKind.BUILT_IN)]


def test_the_switch_of_autodetection_is_named_with_its_place() -> None:
    found = of_path("prio", netapp(0), "overrides {\ndetect_prio no\n}\n")
    (switch,) = found.depends
    assert (found.value, switch.property, switch.value) == ("ontap", "detect_prio", "no")
    assert str(switch.origin) == f"overrides section ({CONFIG_FILE}:2)"


def test_the_kernels_timeout_wins_over_the_fallback() -> None:
    found = of_path("checker_timeout", plain(0, timeout=45))
    assert (found.value, found.origin and found.origin.kind) == ("45", OriginKind.KERNEL)
    assert losers(found) == [("30", OriginKind.BUILT_IN)]


def test_the_kernels_timeout_loses_to_the_configured_one() -> None:
    found = of_path("checker_timeout", plain(0, timeout=45), "defaults {\nchecker_timeout 60\n}\n")
    assert (found.value, losers(found)) == ("60", [("45", OriginKind.KERNEL), ("30", OriginKind.BUILT_IN)])


def test_the_kernels_handler_wins_over_the_configured_one() -> None:
    config = 'devices {\ndevice {\nvendor NETAPP\nproduct LUN\nhardware_handler "1 rdac"\n}\n}\n'
    found = of_map("hardware_handler", netapp(0), config=config)
    assert (found.value, found.origin and found.origin.kind) == ("1 alua", OriginKind.KERNEL)
    assert losers(found) == [("1 rdac", OriginKind.DEVICES), ("0", OriginKind.BUILT_IN)]


def test_a_handler_of_the_kernel_that_can_not_be_used_has_lost() -> None:
    alua = Alua(tpgs=0, handler="alua")
    found = of_map("hardware_handler", plain(0, alua=alua))
    assert (found.value, found.origin and found.origin.kind) == ("0", OriginKind.AUTODETECTED)
    assert losers(found)[0] == ("1 alua", OriginKind.KERNEL)


def test_what_a_feature_implies_is_shown_with_the_place_of_the_feature() -> None:
    config = 'defaults {\nfeatures "1 queue_if_no_path"\n}\n'
    found = of_map("no_path_retry", config=config)
    assert (found.value, str(found.origin)) == (
        "queue",
        f"defaults section ({CONFIG_FILE}:2, features queue_if_no_path)",
    )


def test_a_value_that_was_changed_shows_what_is_written() -> None:
    found = of_map("features", config='defaults {\nfeatures "1 queue_if_no_path"\n}\n')
    assert (found.value, found.written) == ("0", "1 queue_if_no_path")
    assert losers(found) == [("0", OriginKind.BUILT_IN)]


def test_a_value_that_is_in_force_as_written_is_written_once() -> None:
    assert of_map("failback", config="defaults {\nfailback 3\n}\n").written == ""


def test_a_property_that_nobody_sets_has_no_value() -> None:
    found = of_map("mode")
    assert (found.value, found.origin, found.losers) == (None, None, ())


def test_queueing_that_nobody_asks_for_is_that_of_the_loaded_table() -> None:
    earlier = with_maps(host(plain(0), config="defaults {\nno_path_retry queue\n}\n"), {A})
    found = of_map("no_path_retry", maps=earlier.maps)
    assert (found.value, "goes on queueing" in found.note) == (None, True)
    assert of_map("no_path_retry").note == ""


def test_what_the_kernel_forces_has_all_layers_as_losers() -> None:
    found = of_map("retain_attached_hw_handler", config="overrides {\nretain_attached_hw_handler no\n}\n")
    assert (found.value, losers(found)) == ("yes", [("no", OriginKind.OVERRIDES), ("yes", OriginKind.BUILT_IN)])


def test_the_repeat_count_that_does_not_count_says_which_one_does() -> None:
    assert "rr_min_io_rq counts" in of_map("rr_min_io").note
    assert of_map("rr_min_io_rq").note == ""


def test_without_request_based_queueing_it_is_the_other_way_round() -> None:
    old = HostFacts(kernel_release="2.6.18", dm_version=(4, 11, 0), multipath_target=(1, 0, 5))
    assert "rr_min_io counts" in of_map("rr_min_io_rq", host=old).note
    assert of_map("rr_min_io", host=old).note == ""


def test_the_second_spelling_of_a_keyword_is_the_same_property() -> None:
    assert of_path("checker", plain(0)) == of_path("path_checker", plain(0))


def test_what_a_map_has_of_its_paths_it_has_of_the_one_that_stands_first_in_its_table() -> None:
    """The path that sysfs has first decides everything else."""
    config = "devices {\ndevice {\nvendor NEW\nproduct .*\npath_checker directio\nfailback 9\n}\n}\n"
    earlier = with_maps(host(plain(1)), {A})
    found = [
        of_map(keyword, plain(0), plain(1, vendor="NEW"), config=config, maps=earlier.maps)
        for keyword in ("path_checker", "failback")
    ]
    assert [(each.value, [loser.value for loser in each.losers]) for each in found] == [
        ("directio", ["tur"]),
        ("manual", []),
    ]
    assert [each.text for each in found[0].chosen_by] == ["NEW", "Disk"]


def test_a_property_of_the_map_is_told_of_its_path() -> None:
    evidence = evidence_of(host(plain(0), plain(1), config=LAYERED))
    assert explain_path_property(evidence, "sdb", "no_path_retry") == explain_map_property(evidence, A, "no_path_retry")


def test_a_setting_of_the_whole_daemon_says_so() -> None:
    found = of_map("polling_interval", config="defaults {\npolling_interval 30\nmax_polling_interval 10\n}\n")
    assert (found.value, found.note) == ("10", "a setting of the whole daemon")
    assert [each.value for each in found.losers] == ["30", "5"]


def test_a_keyword_without_effect_is_an_error_that_says_what_holds() -> None:
    with pytest.raises(InputError, match="always used: /etc/multipath/bindings"):
        of_map("bindings_file")


class TestAlias:
    CONFIGURED = f"multipaths {{\nmultipath {{\nwwid {A}\nalias data\n}}\n}}\n"
    FRIENDLY = "defaults {\nuser_friendly_names yes\n}\n"
    BOUND = TextFile(BINDINGS_FILE, f"# Multipath bindings, Version : 1.0\nmpathc {A}\n")

    def test_a_configured_alias_wins_over_the_bindings_file_and_the_wwid(self) -> None:
        found = of_map("alias", config=self.CONFIGURED + self.FRIENDLY, bindings=self.BOUND)
        assert (found.value, str(found.origin)) == ("data", f"multipaths section ({CONFIG_FILE}:4)")
        assert [(each.value, str(each.origin)) for each in found.losers] == [
            ("mpathc", f"bindings file ({BINDINGS_FILE}:2)"),
            (A, "implied (WWID)"),
        ]

    def test_a_bound_name_says_on_which_line_it_stands(self) -> None:
        found = of_map("alias", config=self.FRIENDLY, bindings=self.BOUND)
        assert (found.value, found.note) == ("mpathc", f"it stands at {BINDINGS_FILE}:2")
        assert [each.value for each in found.losers] == [A]

    def test_a_bindings_file_that_is_not_asked_says_so(self) -> None:
        found = of_map("alias", bindings=self.BOUND)
        assert (found.value, [str(each.origin) for each in found.losers]) == (
            A,
            [f"bindings file ({BINDINGS_FILE}:2, not asked)"],
        )
        assert [(each.property, each.value) for each in found.depends] == [
            ("user_friendly_names", "no"),
            ("alias_prefix", "mpath"),
        ]

    def test_a_new_name_says_that_it_is_new(self) -> None:
        found = of_map("alias", config=self.FRIENDLY)
        assert (found.value, "added to the bindings file" in found.note) == ("mpatha", True)

    def test_an_alias_that_another_map_has_names_that_map(self) -> None:
        other = unit_wwid(0)
        config = self.CONFIGURED + f"multipaths {{\nmultipath {{\nwwid {other}\nalias data\n}}\n}}\n"
        found = of_map("alias", config=config)
        assert (found.value, found.losers[0].origin.why) == (A, f"it is already that of {other}")

    def test_a_name_that_is_to_change_is_told(self) -> None:
        earlier = with_maps(host(plain(0)), {A})
        found = of_map("alias", config=self.CONFIGURED, maps=earlier.maps)
        assert (found.value, found.note) == ("data", f"the map is called {Alias(A)} now")
        assert OriginKind.EXISTING_MAP in [each.origin.kind for each in found.losers]

    def test_a_path_of_no_map_has_no_alias(self) -> None:
        config = "defaults {\nfind_multipaths strict\n}\n"
        with pytest.raises(InputError, match="path of no map"):
            of_path("alias", plain(0), config)


def test_the_names_of_a_device_that_did_not_count_are_told() -> None:
    config = "defaults {\nuid_attribute ID_WWN\n}\n"
    found = of_path("wwid", plain(0), config)
    assert (found.value, str(found.origin)) == (f"0x{A[1:17]}", "implied (udev property ID_WWN)")
    assert [each.value for each in found.losers] == [A, A]
    assert [(each.property, each.value) for each in found.depends] == [("uid_attribute", "ID_WWN")]


def test_a_priority_says_where_it_is_from() -> None:
    found = of_path("priority", netapp(0))
    assert (found.value, found.origin and found.origin.why) == ("50", "prio sysfs; access_state in sysfs")
