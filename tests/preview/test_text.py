"""A preview in words: the verdict first, then what is behind it."""

from dataclasses import replace

import pytest

from controller.cli.preview_text import NAMED, preview_text
from controller.reconcile.safety import Finding, Level
from desired import derive
from desired.config import Config, load_config
from desired.values import Surroundings
from observers.snapshot import Snapshot, TextFile
from tests.builders import CONFIG_FILE
from tests.preview.hosts import (
    CANDIDATE,
    PRESENT,
    A,
    B,
    C,
    blacklist,
    entry,
    previewed,
    settled,
    with_a_path_down,
    with_defaults,
)

BEFORE = "0 20971520 multipath 0 0 2 1 service-time 0 1 1 8:64 1 service-time 0 1 1 8:80 1"
AFTER = "0 20971520 multipath 0 0 1 1 service-time 0 2 1 8:64 1 8:80 1"
"""The table of C as it is, and with path_grouping_policy multibus."""
GREEDY = "find_multipaths greedy: every device that is not blacklisted"
RULE = 'devnode "^sd[ef]$"'


def text(snapshot: Snapshot, candidate: str) -> str:
    return preview_text(previewed(snapshot, candidate))


def verdict(snapshot: Snapshot, candidate: str) -> str:
    return text(snapshot, candidate).split("\n")[0]


def block(whole: str, title: str) -> list[str]:
    """The lines of the part that begins with this title."""
    (found,) = (part.split("\n") for part in whole.rstrip("\n").split("\n\n") if part.startswith(title))
    return found


def test_nothing_changes() -> None:
    assert text(settled(), PRESENT) == (
        "nothing changes: 3 maps stay as they are\n"
        f"compared: {CANDIDATE} in place of {CONFIG_FILE}\n"
        "\n"
        f"unchanged: {A}, {B}, {C}\n"
    )


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("path_grouping_policy multibus",), "1 reload"),
        (("alias db",), "1 rename"),
        (("alias db", "path_grouping_policy multibus"), "1 reload + rename"),
        (("no_path_retry queue",), "1 message only"),
        (("failback 90",), "1 settings only"),
    ],
)
def test_the_verdict_says_what_is_done_to_the_maps(lines: tuple[str, ...], what: str) -> None:
    assert verdict(settled(), with_defaults(sections=entry(C, *lines))) == (
        f"1 of 3 maps changes: {what}; 2 stay as they are"
    )


def test_a_removal_is_told_first() -> None:
    candidate = with_defaults('path_selector "queue-length 0"', sections=blacklist(f"wwid {C}"))
    assert verdict(settled(), candidate) == "3 of 3 maps change: 1 removal, 2 reloads"


def test_a_new_map_that_is_due_already_is_not_the_candidates() -> None:
    assert verdict(replace(settled(), maps=()), with_defaults('path_selector "queue-length 0"')) == (
        "3 of 3 maps change: 3 new maps due already, in another form"
    )


def test_a_step_in_another_form_stands_over_the_one_that_is_due() -> None:
    whole = text(replace(settled(), maps=()), with_defaults(sections=entry(C, "alias db")))
    lines = block(whole, f"db ({C}): new map due already, in another form")
    at = next(number for number, line in enumerate(lines) if line.startswith("    * create db "))
    assert lines[at].endswith("[due already, in another form]")
    assert lines[at + 1].startswith(f"      now due: create {C} ")


def test_a_map_that_was_to_go_is_wanted_again() -> None:
    snapshot = settled()
    going = replace(snapshot, config_files=(TextFile(CONFIG_FILE, with_defaults(sections=blacklist(f"wwid {C}"))),))
    lines = block(text(going, PRESENT), f"{C}: wanted again")
    assert lines[-2:] == ["  it would no longer, as is due now:", f"    * remove {C} (udev 0x0060)"]


def test_new_findings_of_the_safety_rules_are_told() -> None:
    finding = Finding(Level.FATAL, None, "expected", "the file has another text")
    whole = preview_text(replace(previewed(settled(), PRESENT), findings=(finding,)))
    assert "safety rule 'expected': fatal: the file has another text" in whole.split("\n")


def test_a_map_in_use_stays() -> None:
    snapshot = settled()
    used = replace(snapshot, maps=tuple(replace(each, open_count=1) for each in snapshot.maps))
    assert verdict(used, with_defaults(sections=blacklist(f"wwid {C}"))) == (
        "1 of 3 maps changes: 1 no longer wanted, but it stays; 2 stay as they are"
    )


def test_what_changes_besides_maps_stands_under_the_verdict() -> None:
    whole = text(settled(), with_defaults("polling_interval 9", "bogus 1", sections=blacklist(f"wwid {C}")))
    assert whole.split("\n")[1] == "also: 2 disks no longer claimed, 2 settings of the defaults, 1 new message"


def test_a_map_that_is_reloaded_is_told_in_full() -> None:
    whole = text(settled(), with_defaults(sections=entry(C, "path_grouping_policy multibus")))
    assert block(whole, f"{C}: reload") == [
        f"{C}: reload",
        "  path_grouping_policy: failover -> multibus",
        "    was: built-in default",
        f"    now: multipaths section ({CANDIDATE}:7)",
        f"  table before: {BEFORE}",
        f"  table after:  {AFTER}",
        "    differs in path groups: sde | sdf -> sde sdf",
        "  reason: path groups: 8:64 | 8:80 -> 8:64 8:80",
        "  a reconcile would:",
        f"    * load into {C} (read-write, at once, udev 0x0160): {AFTER}; over: {BEFORE.partition('multipath ')[2]}",
    ]


def test_a_step_that_is_due_already_is_marked_and_one_that_the_candidate_causes_is_not() -> None:
    lines = block(text(with_a_path_down(), with_defaults(sections=entry(C, "alias db"))), f"{C}: rename")
    assert f"    * fail path 8:80 (sdf) of {C} [due already]" in lines
    assert f"    * rename {C} to db (udev 0x0060)" in lines


def test_a_step_that_is_no_longer_due_stands_apart() -> None:
    queues, fails = (with_defaults(sections=entry(C, f"no_path_retry {word}")) for word in ("queue", "fail"))
    queueing = replace(settled(queues), config_files=(TextFile(CONFIG_FILE, fails),))
    lines = block(text(queueing, queues), f"{C}: fewer steps")
    assert lines[-3:] == [
        "  a reconcile would do nothing on it",
        "  it would no longer, as is due now:",
        f"    * let I/O fail when {C} has no path left",
    ]


def test_steps_that_are_due_on_unchanged_maps_are_counted() -> None:
    assert text(with_a_path_down(), PRESENT).endswith(
        f"due already, whatever the candidate says: 1 step on {C} (mpathctl reconcile --dry-run shows them)\n"
    )


def test_what_several_maps_have_in_common_is_told_once_before_them() -> None:
    whole = text(settled(), with_defaults('path_selector "queue-length 0"'))
    assert block(whole, "the same on several maps:")[1:] == [
        "  path_selector: service-time 0 -> queue-length 0: 3 maps"
    ]


def test_disks_that_change_alike_are_told_together_with_the_rule() -> None:
    lines = block(text(settled(), with_defaults(sections=blacklist(RULE))), "disks:")
    assert lines == [
        "disks:",
        "  sde, sdf: no longer claimed",
        f"    was: claimed: {GREEDY} [defaults section ({CONFIG_FILE}:2)]",
        f"    now: blacklisted: devnode (its name) is blacklisted by {RULE} [blacklist section ({CANDIDATE}:5)]",
    ]


def test_one_disk_is_called_by_its_name() -> None:
    lines = block(text(settled(), with_defaults(sections=blacklist("devnode ^sde$"))), "disks:")
    assert lines[3].startswith('    now: blacklisted: devnode sde is blacklisted by devnode "^sde$"')


def test_bindings_are_told_line_by_line() -> None:
    lines = block(text(settled(), with_defaults("user_friendly_names yes")), "bindings:")
    assert lines[1:] == [
        f"  added:   mpatha {B}",
        f"  added:   mpathb {C}",
        "records: a reconcile would:",
        "  * make /etc/multipath/bindings (2 bindings)",
    ]


def test_settings_have_both_origins_on_their_line() -> None:
    lines = block(text(settled(), with_defaults("polling_interval 9")), "settings of the daemon")
    assert lines[1] == f"  polling_interval: 5 -> 9 (built-in default -> defaults section ({CANDIDATE}:3))"


def test_a_default_that_nobody_takes_is_told_as_such() -> None:
    overrides = "overrides {\n\tfailback 3\n}\n"
    whole = text(settled(with_defaults(sections=overrides)), with_defaults("failback 9", sections=overrides))
    assert block(whole, "defaults that change, but no map here takes its value from them:")[1].startswith("  failback:")


def test_new_messages_stand_before_the_maps_with_place_and_hint() -> None:
    whole = text(settled(), with_defaults("polling_intervall 9", sections=entry(C, "alias db")))
    lines = block(whole, f"new messages about {CANDIDATE}:")
    assert lines[1].startswith(f"  {CANDIDATE}:3:2: error: ")
    assert lines[1].endswith("(did you mean polling_interval?)")
    assert whole.index("new messages") < whole.index(f"{C}: rename")


def test_messages_that_are_gone_are_told() -> None:
    whole = text(settled(with_defaults("bogus 1")), PRESENT)
    assert block(whole, f"messages about {CONFIG_FILE} that are gone:")[1].startswith(f"  {CONFIG_FILE}:3:2: ")


def test_a_present_configuration_that_can_not_be_used_is_told_at_once() -> None:
    snapshot = settled()
    broken = replace(snapshot, config_files=(TextFile(CONFIG_FILE, blacklist('devnode "["')),))
    assert f"{CONFIG_FILE} can't be used as it is" in text(broken, PRESENT).split("\n\n")[0]


def test_of_many_unchanged_maps_the_first_are_named_and_the_others_counted() -> None:
    whole = text(settled(maps=NAMED + 5), PRESENT)
    (line,) = (line for line in whole.split("\n") if line.startswith("unchanged:"))
    assert line.endswith(" and 5 maps more")
    assert line.count(",") == NAMED - 1


def test_nothing_in_the_text_steers_a_terminal() -> None:
    alias = "db\x1b[31m\udcff"
    whole = text(settled(), with_defaults(sections=entry(C, f"alias {alias}")))
    assert all(character == "\n" or character.isprintable() for character in whole)
    assert "to db?[31m" in whole


def test_a_byte_that_is_not_utf_8_keeps_its_value() -> None:
    shown = text(settled(), PRESENT + entry(A, 'alias "da\udcffta"'))
    assert "da\\xffta" in shown
    assert "da?ta" not in shown


def test_each_configuration_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    snapshot = settled()

    def counted(files: tuple[TextFile, ...], *, main: str, surroundings: Surroundings) -> Config:
        read.append(main)
        return load_config(files, main=main, surroundings=surroundings)

    monkeypatch.setattr(derive, "load_config", counted)
    previewed(snapshot, PRESENT)
    assert sorted(read) == sorted([CANDIDATE, CONFIG_FILE])
