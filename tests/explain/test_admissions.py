"""Verdicts taken apart: which rules were asked, what each said, and what would change the verdict."""

from dataclasses import replace
from typing import Any

from desired.explain_subjects import explain_admissions, explain_path
from desired.model import Verdict
from desired.prospects import AdmissionExplanation, Prospect
from observers.snapshot import Path, Snapshot, TextFile, Wwid
from tests.builders import CONFIG_FILE, WWIDS_FILE, page83, with_maps
from tests.explain.worlds import A, B, evidence_of, host, line_of, plain

STRICT = "defaults {\nfind_multipaths strict\n}\n"
ON = "defaults {\nfind_multipaths on\n}\n"
ONLY_CONFIGURATION = "no single change of the host would change this, only another configuration"


def admission(snapshot: Snapshot, name: str = "sda") -> AdmissionExplanation:
    return explain_path(evidence_of(snapshot), name).admission


def of(*paths: Path, config: str = "", **more: Any) -> AdmissionExplanation:
    return admission(host(*paths, config=config, **more))


def ways(found: AdmissionExplanation) -> dict[str, Verdict | None]:
    return {each.change: each.verdict for each in found.prospects}


def without_udev(path: Path, *names: str) -> Path:
    return replace(path, udev={key: value for key, value in path.udev.items() if not key.startswith(names)})


class TestChain:
    def test_every_kind_of_rule_is_asked_in_its_order(self) -> None:
        kinds = [each.kind for each in of(plain(0)).answers]
        assert kinds == ["property", "devnode", "device", "protocol", "wwid", "find_multipaths", "identity"]

    def test_an_exception_names_what_matched_and_the_rule(self) -> None:
        first = of(plain(0)).answers[0]
        assert (first.says, first.blocks) == ("excepted", False)
        assert first.detail == 'ID_WWN_WITH_EXTENSION matches blacklist_exceptions property "(SCSI_IDENT_|ID_WWN)"'

    def test_a_rule_that_blocks_is_the_last_that_is_asked(self) -> None:
        config = 'blacklist {\ndevnode "^sd[a-f]$"\nwwid "^360"\n}\n'
        found = of(plain(0), config=config)
        assert [each.kind for each in found.answers if each.asked] == ["property", "devnode"]
        devnode = found.answers[1]
        assert (devnode.says, devnode.detail) == ("blacklisted", 'sda matches blacklist devnode "^sd[a-f]$"')
        assert devnode.origin is not None
        assert devnode.origin.where == f"{CONFIG_FILE}:{line_of(config, 'devnode')}"

    def test_rules_after_it_tell_what_they_would_say(self) -> None:
        config = 'blacklist {\ndevnode "^sda"\nwwid "^360"\n}\n'
        unasked = {each.kind: each.says for each in of(plain(0), config=config).answers if not each.asked}
        assert unasked["wwid"] == "blacklisted"

    def test_a_missing_property_blocks(self) -> None:
        bare = without_udev(plain(0), "ID_WWN", "SCSI_IDENT")
        first = of(bare).answers[0]
        assert (first.kind, first.says, first.blocks) == ("property", "missing", True)

    def test_a_usb_disk_is_asked_for_its_permission(self) -> None:
        found = of(plain(0, protocol="scsi:usb"))
        assert (found.answers[0].kind, found.answers[0].blocks) == ("usb", True)
        allowed = of(plain(0, protocol="scsi:usb"), config="defaults {\nallow_usb_devices yes\n}\n")
        assert (allowed.answers[0].says, allowed.claimed) == ("allowed", True)

    def test_find_multipaths_counts_the_devices(self) -> None:
        found = of(plain(0), plain(1), config=ON)
        assert found.answers[5].detail == "find_multipaths on: 2 devices have its WWID"

    def test_a_device_that_is_another_one_is_not_counted(self) -> None:
        other = plain(2, page83_device=page83(B))
        assert "2 devices" in of(plain(0), plain(1), other, config=ON).answers[5].detail

    def test_a_device_that_says_who_it_is_is_confirmed(self) -> None:
        assert of(plain(0)).answers[-1].says == "confirmed"

    def test_a_device_that_does_not_answer_blocks_at_the_end(self) -> None:
        last = of(plain(0, page83_device=None)).answers[-1]
        assert (last.kind, last.says, last.blocks) == ("identity", "unread", True)

    def test_one_that_does_not_answer_stays_in_the_map_that_has_it(self) -> None:
        earlier = with_maps(host(plain(0)), {A})
        last = admission(replace(earlier, paths=(plain(0, page83_device=None),))).answers[-1]
        assert (last.blocks, "it stays in" in last.detail) == (False, True)


class TestWaiting:
    def test_with_find_multipaths_on_a_second_path_changes_it(self) -> None:
        found = of(plain(0), config=ON)
        assert (found.claimed, found.admission.verdict) == (False, Verdict.WAITING)
        assert ways(found)["a second path with the same WWID shows"] is Verdict.ADMITTED
        assert ways(found)["its WWID is added to the wwids file"] is Verdict.ADMITTED

    def test_with_strict_a_second_path_does_not_change_it(self) -> None:
        found = of(plain(0), config=STRICT)
        assert ways(found)["a second path with the same WWID shows"] is Verdict.WAITING
        assert ways(found)["its WWID is added to the wwids file"] is Verdict.ADMITTED

    def test_the_modes_that_would_claim_it_are_told(self) -> None:
        found = ways(of(plain(0), plain(1), config=STRICT))
        assert found["find_multipaths is set to on"] is Verdict.ADMITTED
        assert found["find_multipaths is set to greedy"] is Verdict.ADMITTED
        assert "find_multipaths is set to on" not in ways(of(plain(0), config=STRICT))

    def test_with_smart_udev_waits_for_a_second_path(self) -> None:
        smart = "defaults {\nfind_multipaths smart\nfind_multipaths_timeout %s\n}\n"
        assert "for 7 s" in of(plain(0), config=smart.replace("%s", "7")).note
        assert "for 1 s" in of(plain(0), config=smart.replace("%s", "-20")).note
        assert of(plain(0), config=ON).note == ""


class TestBlacklisted:
    def test_an_exception_or_the_end_of_the_rule_would_change_it(self) -> None:
        config = 'blacklist {\ndevnode "^sda"\n}\n'
        assert ways(of(plain(0), config=config)) == {
            'blacklist_exceptions gets devnode "^sda$"': Verdict.ADMITTED,
            f'the rule devnode "^sda" is taken out ({CONFIG_FILE}:2)': Verdict.ADMITTED,
        }

    def test_an_exception_is_no_help_against_a_rule_of_another_kind(self) -> None:
        config = 'blacklist {\ndevnode "^sda"\nwwid ".*"\n}\n'
        found = of(plain(0), config=config)
        assert set(ways(found).values()) == {Verdict.BLACKLISTED}
        assert all("wwid" in each.reason for each in found.prospects)

    def test_the_exception_that_is_told_works_when_it_is_written(self) -> None:
        for rule in ('devnode "sd"', 'wwid "^3"', 'protocol "scsi"', 'property "ID_"', "device {\nvendor ACME\n}"):
            config = f"blacklist {{\n{rule}\n}}\n"
            path = without_udev(plain(0), "ID_WWN") if "property" in rule else plain(0)
            found = of(path, config=config)
            (first, *_) = found.prospects
            written = first.change.removeprefix("blacklist_exceptions gets ").replace("{ ", "{\n").replace(" }", "\n}")
            written = written.replace('" product', '"\nproduct')
            after = of(path, config=config + f"blacklist_exceptions {{\n{written}\n}}\n")
            assert (found.claimed, after.claimed, first.verdict) == (False, True, Verdict.ADMITTED), rule

    def test_an_odd_name_is_excepted_literally(self) -> None:
        config = 'blacklist {\ndevice {\nvendor "."\n}\n}\n'
        found = of(plain(0, vendor="A.C (E)", product="x|y"), config=config)
        assert 'vendor "^A\\.C \\(E\\)$" product "^x\\|y$"' in found.prospects[0].change

    def test_a_rule_that_is_built_in_can_not_be_taken_out(self) -> None:
        found = admission(host(plain(0, name="xyz")), "xyz")
        assert [each.change for each in found.prospects] == ['blacklist_exceptions gets devnode "^xyz$"']

    def test_a_rule_that_stands_for_a_built_in_one_is_no_loss(self) -> None:
        config = 'blacklist {\ndevnode "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"\n}\n'
        found = ways(admission(host(plain(0, name="xyz"), config=config), "xyz"))
        assert found['the rule devnode "!^(sd[a-z]|dasd[a-z]|nvme[0-9])" is taken out (/etc/multipath.conf:2)'] is (
            Verdict.BLACKLISTED
        )

    def test_a_missing_property_can_show_up_or_be_excepted(self) -> None:
        bare = without_udev(plain(0), "ID_WWN", "SCSI_IDENT")
        assert ways(of(bare)) == {
            "udev finds a property that is excepted, such as ID_WWN": Verdict.ADMITTED,
            'blacklist_exceptions gets property "^ID_SERIAL$"': Verdict.ADMITTED,
        }

    def test_a_usb_disk_can_be_allowed(self) -> None:
        assert ways(of(plain(0, protocol="scsi:usb"))) == {"allow_usb_devices is set to yes": Verdict.ADMITTED}


class TestAdmitted:
    def test_under_greedy_only_another_configuration_changes_it(self) -> None:
        found = of(plain(0))
        assert (found.claimed, found.prospects, found.settled) == (True, (), ONLY_CONFIGURATION)

    def test_one_of_two_paths_waits_when_the_other_goes(self) -> None:
        assert ways(of(plain(0), plain(1), config=ON)) == {"the other devices with its WWID go": Verdict.WAITING}

    def test_a_known_wwid_can_be_taken_out_of_the_file(self) -> None:
        wwids = TextFile(WWIDS_FILE, f"/{A}/\n")
        assert ways(of(plain(0), config=STRICT, wwids=wwids)) == {
            "its WWID is taken out of the wwids file": Verdict.WAITING
        }

    def test_a_map_that_exists_can_go(self) -> None:
        earlier = with_maps(host(plain(0)), {A})
        assert ways(of(plain(0), config=STRICT, maps=earlier.maps)) == {"its map goes": Verdict.WAITING}


class TestIdentity:
    def test_a_device_that_answers_would_be_admitted(self) -> None:
        assert ways(of(plain(0, page83_device=None))) == {"the device answers, and confirms its WWID": Verdict.ADMITTED}

    def test_a_device_that_is_another_one_enters_that_ones_map_when_udev_looks_again(self) -> None:
        found = of(plain(0, page83_device=page83(B)), plain(1), plain(2), plain(3, B), config=ON)
        assert found.admission.verdict is Verdict.MISMATCH
        again = next(each for each in found.prospects if "udev reads the device again" in each.change)
        assert (B in again.change, again.verdict) == (True, Verdict.ADMITTED)

    def test_a_device_without_a_name_waits_for_one(self) -> None:
        bare = replace(plain(0), udev={"DEVTYPE": "disk", "ID_WWN": "x"}, page83_cached=None, page83_device=None)
        found = of(bare)
        assert found.admission.verdict is Verdict.NO_WWID
        why = "then it has a WWID, and find_multipaths greedy decides"
        assert found.prospects == (Prospect("udev finds the property ID_SERIAL", None, why),)

    def test_a_partition_never_becomes_a_path(self) -> None:
        path = replace(plain(0), udev={**plain(0).udev, "DEVTYPE": "partition"})
        found = of(path)
        assert (found.answers[0].kind, found.prospects) == ("disk", ())
        assert "only whole disks" in found.settled


def test_all_devices_are_there_in_their_order() -> None:
    evidence = evidence_of(host(plain(1), plain(0), plain(2, Wwid(B))))
    assert [each.admission.name for each in explain_admissions(evidence)] == ["sdb", "sda", "sdc"]
