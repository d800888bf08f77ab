"""Printing: the merged configuration as multipath-tools prints it, and trees that are read again as the same trees."""

from operator import itemgetter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from desired.conf.lexer import LINE_BYTES
from desired.conf.parser import parse
from desired.conf.printer import Present, print_config, print_tree
from desired.conf.tree import Block, Setting
from desired.config import Config, ConfigRefused, load_config
from desired.options import GRAMMAR, Section
from desired.precedence import DeviceKind
from observers.snapshot import Alias, Bus, TextFile, Wwid
from tests.conf.reading import MAIN, config


def lines_of(result: Config, *, nr_open: int = 1000, present: Present | None = None) -> list[str]:
    return print_config(result, nr_open=nr_open, present=present).splitlines()


def section(keyword: str, text: str, *, present: Present | None = None) -> list[str]:
    """What is printed between the braces of a section."""
    lines = lines_of(config(text), present=present)
    start = lines.index(f"{keyword} {{")
    return lines[start + 1 : lines.index("}", start)]


def printed_default(line: str) -> list[str]:
    """The printed lines of the keyword of a line in `defaults`."""
    keyword = line.split()[0]
    found = section("defaults", f"defaults {{\n{line}\n}}\n")
    return [each.strip() for each in found if each.split()[0] == keyword]


class TestValues:
    """Words are quoted, numbers are not, and a few things are printed as nobody would expect."""

    @pytest.mark.parametrize(
        ("line", "printed"),
        [
            ("verbosity 3", "verbosity 3"),
            ("reassign_maps yes", 'reassign_maps "yes"'),
            ('path_selector "queue-length 0"', 'path_selector "queue-length 0"'),
            ("failback 12", "failback 12"),
            ("failback immediate", 'failback "immediate"'),
            ("no_path_retry queue", 'no_path_retry "queue"'),
            ("no_path_retry 0", 'no_path_retry "fail"'),
            ("no_path_retry 4", "no_path_retry 4"),
            ("fast_io_fail_tmo off", "fast_io_fail_tmo off"),
            ("eh_deadline 0", "eh_deadline 0"),
            ("ghost_delay no", 'ghost_delay "no"'),
            ("dev_loss_tmo 4294967295", 'dev_loss_tmo "infinity"'),
            ("mode 640", "mode 0640"),
            ("uid 10", "uid 012"),
            ("gid root", "gid 00"),
            ("reservation_key file", 'reservation_key "file"'),
            ("reservation_key 12:aptpl", "reservation_key 0x12:aptpl"),
            ('uid_attrs "sd:A nvme:B"', "uid_attrs sd:A nvme:B"),
            ('prio_args "a ""b"" c"', 'prio_args "a ""b"" c"'),
            ("find_multipaths_timeout -3", "find_multipaths_timeout -3"),
            ("checker rdac", None),
            ("config_dir /tmp", None),
        ],
    )
    def test_a_value_is_written_as_the_reference_writes_it(self, line: str, printed: str | None) -> None:
        assert printed_default(line) == ([printed] if printed else [])

    @pytest.mark.parametrize(
        ("line", "printed"),
        [
            ("max_fds max", ['max_fds "max"']),
            ("max_fds 1000", ['max_fds "max"']),
            ("max_fds 999", ["max_fds 999"]),
            ("max_fds 0", []),
        ],
    )
    def test_a_limit_of_open_files_depends_on_that_of_the_kernel(self, line: str, printed: list[str]) -> None:
        assert printed_default(line) == printed

    def test_no_pairs_of_attributes_are_not_printed(self) -> None:
        assert printed_default('uid_attrs ""') == []

    def test_checker_is_printed_as_path_checker(self) -> None:
        assert '\tpath_checker "rdac"' in section("defaults", "defaults {\nchecker rdac\n}\n")

    def test_what_has_no_value_is_not_printed(self) -> None:
        words = {line.split()[0] for line in section("defaults", "")}
        assert words.isdisjoint({"no_path_retry", "dev_loss_tmo", "mode", "reservation_key", "max_sectors_kb"})


class TestSections:
    """What stands where."""

    def test_sections_come_in_their_order_and_multipaths_only_when_there_are_any(self) -> None:
        heads = [line for line in lines_of(config("")) if line.endswith("{") and not line.startswith("\t")]
        assert heads == ["defaults {", "blacklist {", "blacklist_exceptions {", "devices {", "overrides {"]
        assert "multipaths {" in lines_of(config("multipaths {\nmultipath {\nwwid a\n}\n}\n"))

    @pytest.mark.parametrize("where", [Section.DEFAULTS, Section.DEVICE, Section.OVERRIDES, Section.MULTIPATH])
    def test_every_keyword_in_force_is_printed_in_its_section(self, where: Section) -> None:
        rows = [row for row in GRAMMAR[where].values() if row.opens is None and row.ignored is None]
        lines = [f"{row.keyword} {usable(row)}" for row in rows if row.keyword not in ("wwid", "vendor", "product")]
        printed = {line.split()[0] for line in lines_of(config(in_section(where, lines)))}
        assert {row.key for row in rows} <= printed

    def test_a_device_prints_what_chooses_it_first(self) -> None:
        body = "features 0\nuser_friendly_names yes\npath_grouping_policy multibus\nproduct B\nrevision 1\nvendor A"
        assert section("devices", f"devices {{\ndevice {{\n{body}\n}}\n}}\n")[-8:] == [
            "\tdevice {",
            '\t\tvendor "A"',
            '\t\tproduct "B"',
            '\t\trevision "1"',
            '\t\tpath_grouping_policy "multibus"',
            '\t\tfeatures "0"',
            '\t\tuser_friendly_names "yes"',
            "\t}",
        ]

    def test_protocols_stand_behind_the_other_overrides(self) -> None:
        text = "overrides {\nprotocol {\neh_deadline off\ntype ccw\n}\nprio alua\n}\n"
        assert section("overrides", text) == [
            '\tprio "alua"',
            "\tprotocol {",
            '\t\ttype "ccw"',
            "\t\teh_deadline off",
            "\t}",
        ]

    def test_rules_stand_by_kind_and_configured_ones_first(self) -> None:
        text = "blacklist {\nprotocol ccw\nproperty P\nwwid W\ndevnode D\n}\n"
        assert section("blacklist", text)[:5] == [
            '\tdevnode "D"',
            '\tdevnode "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"',
            '\twwid "W"',
            '\tproperty "P"',
            '\tprotocol "ccw"',
        ]

    def test_the_rule_on_names_leaves_nvme_to_a_kernel_that_joins_its_paths(self) -> None:
        assert '\tdevnode "!^(sd[a-z]|dasd[a-z])"' in lines_of(config("", native_nvme=True))

    def test_a_brace_of_a_device_rule_comes_with_its_vendor_and_one_with_its_product(self) -> None:
        text = "blacklist_exceptions {\ndevice {\nvendor A\n}\ndevice {\nproduct B\n}\n}\n"
        assert section("blacklist_exceptions", text)[-4:] == [
            "\tdevice {",
            '\t\tvendor "A"',
            '\t\tproduct "B"',
            "\t}",
        ]

    def test_entries_of_multipaths_stand_in_the_order_of_their_wwids(self) -> None:
        text = "multipaths {\nmultipath {\nprio alua\nalias x\nwwid b\n}\nmultipath {\nwwid a\n}\n}\n"
        assert section("multipaths", text) == [
            "\tmultipath {",
            '\t\twwid "a"',
            "\t}",
            "\tmultipath {",
            '\t\twwid "b"',
            '\t\talias "x"',
            '\t\tprio "alua"',
            "\t}",
        ]


ONTAP = DeviceKind("NETAPP", "LUN C-Mode", "9000", "scsi:fcp", Bus.SCSI)
NAMESPACE = DeviceKind("NVME", "VASTData one", "1", "nvme:tcp", Bus.NVME)
NOTHING_KNOWN = DeviceKind("ACME", "Disk", "1", "scsi:fcp", Bus.SCSI)


class TestPresent:
    """Only what concerns the devices and maps of a host."""

    def test_entries_stand_in_the_order_of_the_devices_that_they_match(self) -> None:
        present = Present(kinds=[NAMESPACE, ONTAP, NAMESPACE, NOTHING_KNOWN], maps={})
        lines = section("devices", "", present=present)
        assert [line.strip() for line in lines if "product " in line] == [
            'product "VASTData"',
            'product ".*"',
            'product "LUN"',
        ]

    def test_no_devices_and_no_maps_leave_empty_sections(self) -> None:
        lines = lines_of(config("multipaths {\nmultipath {\nwwid a\n}\n}\n"), present=Present(kinds=[], maps={}))
        assert lines[-6:] == ["devices {", "}", "overrides {", "}", "multipaths {", "}"]

    def test_every_map_is_there_with_its_name_and_no_other_entry(self) -> None:
        text = "multipaths {\nmultipath {\nwwid a\nalias one\n}\nmultipath {\nwwid gone\n}\n}\n"
        maps = {Wwid("c"): Alias("c"), Wwid("b"): Alias("mpathb"), Wwid("a"): Alias("one")}
        assert section("multipaths", text, present=Present(kinds=[], maps=maps)) == [
            "\tmultipath {",
            '\t\twwid "a"',
            '\t\talias "one"',
            '\t\t# alias "one"',
            "\t}",
            "\tmultipath {",
            '\t\twwid "c"',
            "\t}",
            "\tmultipath {",
            '\t\twwid "b"',
            '\t\t# alias "mpathb"',
            "\t}",
        ]


def usable(row: Any) -> str:
    """A value text that sets the keyword."""
    words: tuple[str, ...] = row.kind.words
    for text in (*words, "1", "0", '"service-time 0"', "sd:A", "ccw"):
        if text not in ("undef", "max") and row.keyword not in ("hardware_handler", "features"):
            try:
                done = config(in_section(row.sections[0], [f"{row.keyword} {text}"]))
            except ConfigRefused:
                continue
            if not done.messages or row.keyword == "flush_on_last_del":
                return text
    return "0"


def in_section(where: Section, lines: list[str]) -> str:
    """A file with these lines in a section, beside what the section needs."""
    needed = {Section.DEVICE: ["vendor A", "product B"], Section.MULTIPATH: ["wwid w"], Section.PROTOCOL: ["type ccw"]}
    words = where.split("/")
    return "\n".join([*(f"{word} {{" for word in words), *needed.get(where, []), *lines, *("}" for _ in words)]) + "\n"


# Trees

TEXT = st.text(st.characters(exclude_characters="\n\r\0"), max_size=40)
WORDS = st.sampled_from(
    ["", "yes", "0", "12", "a b", 'a"b', '"', '""', "{", "}", "#", "a#b", "x!", "\t", "é", "\udc80"]
)
SECTIONS_IN = {section: [row for row in rows.values() if row.opens] for section, rows in GRAMMAR.items()}
KEYWORDS_IN = {
    section: [row.keyword for row in rows.values() if not row.opens and row.ignored is None]
    for section, rows in GRAMMAR.items()
}


@st.composite
def section_lines(draw: st.DrawFn, where: Section = Section.ROOT) -> list[str]:
    """Lines of a section, with sections inside it."""
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 4))):
        inner = draw(st.sampled_from([None, *SECTIONS_IN[where]]))
        if inner is not None and inner.opens is not None:
            lines += [f"{inner.keyword} {{", *draw(section_lines(inner.opens)), "}"]
        elif KEYWORDS_IN[where]:
            text = draw(WORDS | TEXT).replace('"', '""')
            lines.append(f'{draw(st.sampled_from(KEYWORDS_IN[where]))} "{text}"')
    return lines


def bare(block: Block) -> tuple[Any, ...]:
    """A tree without its places."""
    return block.section, tuple(
        bare(item) if isinstance(item, Block) else (item.option.keyword, item.text, item.effect, item.value)
        for item in block.items
    )


def tree(text: str) -> Block:
    return parse(TextFile(MAIN, text)).tree


def count(block: Block) -> int:
    return sum(1 if isinstance(item, Setting) else 1 + count(item) for item in block.items)


@given(section_lines())
def test_a_printed_tree_is_read_as_the_same_tree(lines: list[str]) -> None:
    read = tree("\n".join(lines))
    assert count(read) == sum(line != "}" for line in lines)
    assert bare(tree(print_tree(read))) == bare(read)


@given(st.text())
@example('devices {\ndevice {\nvendor "a""b\n product {\n')
@example("defaults {\n\tprio_args " + "x" * 1006 + "\n}\n")
@example('defaults {\nprio_args "' + "x" * 1012)
@example('defaults {\nprio_args"' + "x y " * 253)
@example('defaults {\nprio_args "' + "é" * 506)
@example('overrides {\nprotocol {\ntype "x"\n')
def test_whatever_was_read_is_printed_to_the_same_tree(text: str) -> None:
    read = tree(text)
    printed = print_tree(read)
    assert bare(tree(printed)) == bare(read)
    assert all(len(line.encode("utf-8", "surrogatepass")) <= LINE_BYTES for line in printed.split("\n"))


def test_a_printed_tree_is_printed_the_same_again() -> None:
    printed = print_tree(tree("defaults { \n  verbosity   3\n}\ndevices {\ndevice {\nvendor A\n}\n}\n"))
    assert printed == 'defaults {\n\tverbosity "3"\n}\ndevices {\n\tdevice {\n\t\tvendor "A"\n\t}\n}\n'
    assert print_tree(tree(printed)) == printed


# Configurations

NOT_READ_BACK = ("uid_attrs", "uid", "gid")
"""Keywords that the reference prints in a form that it does not read as the same value."""


def rule(lines: list[str]) -> list[str]:
    """A device rule that has both its parts."""
    return ["device {", *lines, "}"]


SETTING_WORDS = {
    "path_selector": ["round-robin 0", "queue-length 0"],
    "features": ["0", "1 queue_if_no_path", "2 pg_init_retries 50"],
    "hardware_handler": ["1 alua", "0"],
    "reservation_key": ["0x12", "file", "1:aptpl"],
    "mode": ["0660", "7"],
    "type": ["scsi:fcp", "ccw", "nvme:tcp"],
    "polling_interval": ["3", "7"],
    "max_polling_interval": ["5", "40"],
}


@st.composite
def setting_line(draw: st.DrawFn, where: Section) -> str:
    keyword = draw(st.sampled_from([word for word in KEYWORDS_IN[where] if word not in NOT_READ_BACK]))
    words = SETTING_WORDS.get(keyword) or [*GRAMMAR[where][keyword].kind.words, "0", "1", "7", "a b", 'q"q', "x[y]"]
    return f'{keyword} "{draw(st.sampled_from(words)).replace(chr(34), chr(34) * 2)}"'


@st.composite
def configurations(draw: st.DrawFn) -> str:
    def some(where: Section, most: int) -> list[str]:
        return draw(st.lists(setting_line(where), max_size=most))

    def entries(keyword: str, where: Section, needed: dict[str, list[str]]) -> list[str]:
        result: list[str] = []
        for _ in range(draw(st.integers(0, 3))):
            chosen = [f'{word} "{draw(st.sampled_from(values))}"' for word, values in needed.items()]
            result += [f"{keyword} {{", *some(where, 6), *chosen, "}"]
        return result

    names = ["A", "B", "PURE"]
    device = entries("device", Section.DEVICE, {"vendor": names, "product": [*names, "FlashArray"]})
    multipath = entries("multipath", Section.MULTIPATH, {"wwid": ["1", "2"], "alias": ["x", "y"]})
    protocol = entries("protocol", Section.PROTOCOL, {"type": ["scsi:fcp", "ccw"]})
    blacklist = [*some(Section.BLACKLIST, 4), *rule([f'vendor "{draw(st.sampled_from(names))}"', 'product "B"'])]
    sections = {
        "defaults": some(Section.DEFAULTS, 10),
        "blacklist": blacklist,
        "blacklist_exceptions": some(Section.EXCEPTIONS, 4),
        "devices": device,
        "overrides": [*some(Section.OVERRIDES, 6), *protocol],
        "multipaths": multipath,
    }
    return "\n".join(line for keyword, lines in sections.items() for line in (f"{keyword} {{", *lines, "}")) + "\n"


def what_it_says(result: Config) -> tuple[Any, ...]:
    """A configuration without its origins and messages; the rules in their order within a kind."""

    def values(of: Any) -> dict[str, object]:
        return {keyword: resolved.value for keyword, resolved in of.items()}

    return (
        values(result.overrides),
        [(entry.protocol, values(entry.settings)) for entry in result.protocols],
        [(entry.identity, values(entry.settings)) for entry in result.devices],
        [(wwid, values(entry.settings)) for wwid, entry in result.multipaths.items()],
        sorted([(each.kind, each.text) for each in result.blacklist], key=itemgetter(0)),
        sorted([(each.kind, each.text) for each in result.exceptions], key=itemgetter(0)),
    )


@settings(max_examples=60)
@given(configurations())
def test_a_printed_configuration_is_read_as_the_same_configuration(text: str) -> None:
    try:
        first = load_config((TextFile(MAIN, text),))
    except ConfigRefused:
        return
    printed = print_config(first)
    second = load_config((TextFile(MAIN, printed),))
    assert all(message.ours for message in second.messages)
    assert what_it_says(second) == what_it_says(first)
    limit = first.defaults.get("max_fds")
    if limit is None or limit.value != 0:  # 0 is what multipath-tools leaves out, so the print does not say it
        assert print_config(second) == printed


def test_no_limit_of_open_files_is_left_out_and_so_lost_in_what_is_printed() -> None:
    printed = print_config(load_config((TextFile(MAIN, "defaults {\n\tmax_fds 0\n}\n"),)))
    assert "max_fds" not in printed
    assert 'max_fds "max"' in print_config(load_config((TextFile(MAIN, printed),)))
