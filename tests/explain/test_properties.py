"""Whatever the host and its configuration: what is explained is what was derived, and what lost is next in line."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from desired.evidence import Evidence
from desired.explain import OF_PATHS
from desired.explain_subjects import (
    explain_admissions,
    explain_map,
    explain_map_property,
    explain_path,
    explain_path_property,
)
from desired.features import feature_words
from desired.model import DesiredMap, Verdict
from desired.options import OPTIONS
from observers.snapshot import Snapshot, TextFile
from tests.builders import CONFIG_FILE
from tests.desired.test_invariants import UNITS, devices, hosts
from tests.explain.worlds import DROP_IN, evidence_of

EVERYWHERE = {
    "no_path_retry": ("fail", "queue", "5"),
    "failback": ("immediate", "manual", "7"),
    "features": ('"0"', '"1 queue_if_no_path"', '"2 pg_init_retries 5"'),
    "path_selector": ('"round-robin 0"', '"queue-length 0"'),
    "path_grouping_policy": ("multibus", "group_by_tpg", "group_by_prio"),
    "rr_min_io_rq": ("3", "0"),
    "user_friendly_names": ("yes", "no"),
    "prio": ("alua", "const", "sysfs"),
    "prio_args": ("exclusive_pref_bit", '""'),
    "flush_on_last_del": ("never", "always"),
    "max_sectors_kb": ("512", "0"),
    "san_path_err_threshold": ("3", "no"),
    "marginal_path_err_sample_time": ("60", "200"),
    "delay_wait_checks": ("4", "no"),
}
NOT_IN_MULTIPATHS = {
    "path_checker": ("tur", "directio"),
    "detect_prio": ("yes", "no"),
    "detect_checker": ("yes", "no"),
    "detect_pgpolicy": ("yes", "no"),
    "detect_pgpolicy_use_tpg": ("yes", "no"),
    "retain_attached_hw_handler": ("yes", "no"),
    "alias_prefix": ("san", "lun"),
    "recheck_wwid": ("yes", "no"),
    "fast_io_fail_tmo": ("off", "8"),
    "dev_loss_tmo": ("infinity", "90"),
    "eh_deadline": ("off", "8"),
}
PROTOCOL = {key: NOT_IN_MULTIPATHS[key] for key in ("fast_io_fail_tmo", "dev_loss_tmo", "eh_deadline")}
DEFAULTS = {"checker_timeout": ("20", "0"), "marginal_pathgroups": ("on", "fpin"), "polling_interval": ("9",)}
SWITCHED = ("queue_if_no_path", "retain_attached_hw_handler")
"""Features that other keywords decide."""
BY_LAYERS_ALONE = (
    "failback", "path_selector", "flush_on_last_del", "max_sectors_kb", "detect_pgpolicy", "recheck_wwid",
    "fast_io_fail_tmo", "eh_deadline",
)  # fmt: skip
"""Properties of which nothing but the layers decides."""


@st.composite
def settings_of(draw: st.DrawFn, choices: Mapping[str, tuple[str, ...]]) -> str:
    keywords = draw(st.lists(st.sampled_from(sorted(choices)), max_size=6))
    return "".join(f"\t{keyword} {draw(st.sampled_from(choices[keyword]))}\n" for keyword in keywords)


@st.composite
def sections(draw: st.DrawFn) -> str:
    device = draw(st.sampled_from([("ACME", "Disk"), ("A", "D"), ("NETAPP", "LUN"), ("LIO-ORG", ".*")]))
    hardware = {**EVERYWHERE, **NOT_IN_MULTIPATHS}
    parts = {
        "defaults": draw(settings_of({**hardware, **DEFAULTS})),
        "devices": f"device {{\nvendor {device[0]}\nproduct {device[1]}\n{draw(settings_of(hardware))}}}\n",
        "overrides": draw(settings_of(hardware)) + f"protocol {{\ntype scsi:fcp\n{draw(settings_of(PROTOCOL))}}}\n",
        "multipaths": f"multipath {{\nwwid {draw(st.sampled_from(UNITS))}\n{draw(settings_of(EVERYWHERE))}}}\n",
    }
    chosen = draw(st.lists(st.sampled_from(sorted(parts)), unique=True))
    return "".join(f"{name} {{\n{parts[name]}}}\n" for name in chosen)


@st.composite
def configured(draw: st.DrawFn) -> Snapshot:
    snapshot = draw(hosts())
    mode = draw(st.sampled_from(["off", "on", "strict", "smart", "greedy"]))
    main = draw(sections()) + f"defaults {{\nfind_multipaths {mode}\n}}\n"
    files = (TextFile(CONFIG_FILE, main), TextFile(DROP_IN, draw(sections())))
    return replace(snapshot, config_files=files)


def check_values(evidence: Evidence, made: DesiredMap) -> None:
    found = explain_map(evidence, made.wwid)
    shown = {each.property: each for each in found.properties}
    assert {key: (each.value, each.origin) for key, each in shown.items()} == {
        key: (value.value, value.origin) for key, value in made.properties.items()
    }
    assert found.alias is not None
    assert (found.alias.value, found.alias.origin) == (made.alias.value, made.alias.origin)
    assert [member.member for group in found.groups for member in group] == list(made.members)
    for each in shown.values():
        assert each == explain_map_property(evidence, made.wwid, each.property)
        assert each.origin is not None
        assert not [loser for loser in each.losers if loser.stands_at(each.origin)]


def check_table(evidence: Evidence, made: DesiredMap) -> None:
    def value(keyword: str) -> str:
        return explain_map_property(evidence, made.wwid, keyword).value or ""

    assert tuple(word for word in made.table.features if word not in SWITCHED) == feature_words(value("features"))
    retry = explain_map_property(evidence, made.wwid, "no_path_retry")
    assert made.table.queues == (retry.value not in (None, "fail") or bool(retry.note))
    assert made.table.hardware_handler == feature_words(value("hardware_handler"))
    for group in made.table.groups:
        assert [group.selector, str(len(group.selector_args))] == value("path_selector").split()
        assert {path.args for path in group.paths} == {(value("rr_min_io_rq"),)}


@settings(max_examples=60)
@given(configured())
def test_values_and_origins_are_those_that_were_derived(snapshot: Snapshot) -> None:
    evidence = evidence_of(snapshot)
    for made in evidence.desired.maps:
        check_values(evidence, made)
        check_table(evidence, made)


@settings(max_examples=60)
@given(configured())
def test_a_path_has_the_values_that_its_map_has_of_it(snapshot: Snapshot) -> None:
    """A map shows the properties of the path that stands first in it, and its own for all of them."""
    evidence = evidence_of(snapshot)
    for made in evidence.desired.maps:
        (lone,) = made.members if len(made.members) == 1 else (None,)
        if lone is None:
            continue
        for option in OF_PATHS:
            found = explain_path_property(evidence, lone.name, option.keyword)
            of_map = explain_map_property(evidence, made.wwid, option.keyword)
            assert (found.value, found.origin, found.losers) == (of_map.value, of_map.origin, of_map.losers)
        assert explain_path(evidence, lone.name).priority == lone.priority


@settings(max_examples=60)
@given(configured(), st.sampled_from(BY_LAYERS_ALONE))
def test_when_the_line_that_won_is_taken_out_the_first_loser_wins(snapshot: Snapshot, keyword: str) -> None:
    for made in evidence_of(snapshot).desired.maps:
        before = explain_map_property(evidence_of(snapshot), made.wwid, keyword)
        if before.origin is None or not before.origin.where.startswith("/"):
            continue
        again = evidence_of(without_line(snapshot, before.origin.where))
        after = explain_map_property(again, made.wwid, keyword)
        first = before.losers[0] if before.losers else None
        assert (after.value, after.origin) == ((first.value, first.origin) if first else (None, None))
        assert after.losers == before.losers[1:]


def without_line(snapshot: Snapshot, where: str) -> Snapshot:
    path, _, number = where.rpartition(":")
    return replace(
        snapshot,
        config_files=tuple(
            TextFile(file.path, blanked(file.text, int(number))) if file.path == path else file
            for file in snapshot.config_files
        ),
    )


def blanked(text: str, number: int) -> str:
    return "\n".join("" if at == number else line for at, line in enumerate(text.split("\n"), 1))


@settings(max_examples=100)
@given(configured())
def test_a_verdict_is_that_of_the_one_answer_that_blocks(snapshot: Snapshot) -> None:
    evidence = evidence_of(snapshot)
    every = explain_admissions(evidence)
    assert [each.admission for each in every] == list(evidence.desired.admissions)
    for each in every:
        blocking = [answer for answer in each.answers if answer.asked and answer.blocks]
        assert len(blocking) == (0 if each.claimed else 1)
        assert [answer.asked for answer in each.answers] == sorted((a.asked for a in each.answers), reverse=True)
        if each.admission.verdict is Verdict.WAITING:
            assert blocking[0].detail == each.admission.reason
        if each.admission.verdict is Verdict.BLACKLISTED:
            assert blocking[0].origin == each.admission.origin


@settings(max_examples=60)
@given(configured())
def test_adding_the_wwid_does_what_was_foretold(snapshot: Snapshot) -> None:
    evidence = evidence_of(snapshot)
    for each in explain_admissions(evidence):
        for prospect in each.prospects:
            if prospect.change == "its WWID is added to the wwids file":
                wwids = TextFile("/etc/multipath/wwids", f"/{each.admission.wwid}/\n")
                then = evidence_of(replace(snapshot, wwids=wwids)).docket.verdicts[each.admission.name]
                assert (then.verdict, then.reason) == (prospect.verdict, prospect.reason)


@settings(max_examples=40)
@given(st.data(), configured())
def test_a_device_that_is_no_path_is_shown_as_it_would_be(data: st.DataObject, snapshot: Snapshot) -> None:
    """Alone under find_multipaths off every disk with a name is a path: it then has what was shown of it before."""
    path = data.draw(devices(0))
    config = data.draw(sections())
    strict = replace(snapshot, maps=(), paths=(path,), config_files=(TextFile(CONFIG_FILE, config),))
    off = TextFile(CONFIG_FILE, config + "defaults {\nfind_multipaths off\n}\n")
    before, after = evidence_of(strict), evidence_of(replace(strict, config_files=(off,)))
    if not after.desired.maps:
        return
    for option in OPTIONS:
        if option.layers and option.key not in ("alias", "find_multipaths"):
            one, other = (explain_path_property(each, path.name, option.keyword) for each in (before, after))
            assert (one.value, one.origin) == (other.value, other.origin)
