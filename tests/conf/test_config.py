"""Merging of the main file, the drop-ins and the built-in table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.config import Config, ConfigRefused, DeviceEntry, MultipathEntry, ProtocolEntry, RuleKind, load_config
from desired.contenders import with_replaced
from desired.merging import built_in_devices
from desired.model import OriginKind, Severity
from observers.errors import ConfigError
from observers.snapshot import TextFile, Wwid
from tests.conf.reading import MAIN, config, texts

BUILT_IN = len(built_in_devices())


def device(body: str) -> str:
    return f"devices {{\ndevice {{\n{body}\n}}\n}}\n"


def values(entry: DeviceEntry) -> dict[str, object]:
    return {keyword: resolved.value for keyword, resolved in entry.settings.items()}


def configured(result: Config) -> list[DeviceEntry]:
    return [entry for entry in result.devices if not entry.built_in]


def test_without_files_there_is_the_built_in_table_and_nothing_else() -> None:
    result = load_config(())
    assert result.devices == built_in_devices()
    assert (result.defaults, result.overrides, result.multipaths, result.messages) == ({}, {}, {}, ())


def test_a_setting_carries_the_file_and_line_that_set_it() -> None:
    result = config("defaults {\n\n prio alua\n}\n")
    assert result.defaults["prio"].value == "alua"
    assert result.defaults["prio"].origin.kind is OriginKind.DEFAULTS
    assert result.defaults["prio"].origin.where == f"{MAIN}:3"


def test_a_drop_in_overrides_the_main_file_value_by_value() -> None:
    result = config("defaults {\n prio alua\n verbosity 3\n}\n", "defaults {\n prio emc\n}\n")
    assert result.defaults["prio"].value == "emc"
    assert result.defaults["prio"].origin.where == "/etc/multipath/conf.d/0.conf:2"
    assert result.defaults["verbosity"].value == 3


def test_a_later_zero_that_means_not_set_takes_the_value_away() -> None:
    assert "failback" not in config("defaults {\n failback 5\n failback 0\n}\n").defaults


def test_an_invalid_later_value_leaves_the_earlier_one() -> None:
    assert config("defaults {\n rr_weight priorities\n rr_weight x\n}\n").defaults["rr_weight"].value == "priorities"


def test_checker_is_another_word_for_path_checker() -> None:
    assert config("defaults {\n checker rdac\n}\n").defaults["path_checker"].value == "rdac"


class TestDevices:
    """The device table."""

    def test_a_configured_entry_comes_after_the_built_in_ones(self) -> None:
        result = config(device("vendor A\nproduct B\nprio alua"))
        assert len(result.devices) == BUILT_IN + 1
        assert (result.devices[-1].vendor, values(result.devices[-1])) == ("A", {"prio": "alua"})

    def test_the_same_expressions_as_a_built_in_entry_take_its_place_at_the_end(self) -> None:
        result = config(device('vendor "NETAPP"\nproduct "LUN"\nno_path_retry 5'))
        assert len(result.devices) == BUILT_IN
        last = result.devices[-1]
        assert (last.vendor, last.built_in) == ("NETAPP", False)
        assert last.settings["no_path_retry"].value == 5
        assert last.settings["prio"].origin.kind is OriginKind.HARDWARE_TABLE

    def test_within_a_file_the_later_entry_wins_and_it_is_told(self) -> None:
        text = device("vendor A\nproduct B\nprio alua\nno_path_retry 3\n}\ndevice {\nvendor A\nproduct B\nprio emc")
        result = config(text)
        assert [values(entry) for entry in configured(result)] == [{"prio": "emc", "no_path_retry": 3}]
        assert texts(result.messages) == [f"factorize_hwtable: duplicate device section for A:B:(null) in {MAIN}"]

    def test_across_files_the_later_entry_wins_without_a_word(self) -> None:
        result = config(device("vendor A\nproduct B\nprio alua"), device("vendor A\nproduct B\npath_checker tur"))
        assert [values(entry) for entry in configured(result)] == [{"prio": "alua", "path_checker": "tur"}]
        assert result.messages == ()

    def test_another_revision_is_another_entry(self) -> None:
        text = device('vendor A\nproduct B\n}\ndevice {\nvendor A\nproduct B\nrevision ""')
        assert [entry.revision for entry in configured(config(text))] == [None, ""]

    def test_an_empty_text_wins_as_the_later_and_fills_no_gap_as_the_earlier(self) -> None:
        later = config(device('vendor A\nproduct B\nprio_args x\n}\ndevice {\nvendor A\nproduct B\nprio_args ""'))
        earlier = config(device('vendor A\nproduct B\nprio_args ""\n}\ndevice {\nvendor A\nproduct B'))
        assert values(configured(later)[0]) == {"prio_args": ""}
        assert values(configured(earlier)[0]) == {}

    @pytest.mark.parametrize("body", ["vendor A", "product B", "no_path_retry 3"])
    def test_an_entry_without_vendor_or_product_is_left_out(self, body: str) -> None:
        result = config(device("vendor A\nproduct B"), device(body))
        assert len(configured(result)) == 1
        assert texts(result.messages) == ["device config in 0.conf missing vendor or product parameter"]

    def test_empty_texts_are_a_vendor_and_a_product(self) -> None:
        assert len(configured(config(device('vendor ""\nproduct ""')))) == 1

    def test_an_expression_that_is_none_is_told_and_refuses_nothing(self) -> None:
        result = config(device('vendor "A["\nproduct B'))
        (message,) = result.messages
        assert message.text.startswith(f'{MAIN} line 3, vendor "A[" is no regular expression: [ is not closed')
        assert message.severity is Severity.ERROR

    @pytest.mark.parametrize(
        "body", ['vendor A\nproduct B\nproduct_blacklist "("', 'vendor "("\nproduct B\nproduct_blacklist x']
    )
    def test_an_expression_that_no_rule_can_be_made_of_refuses_every_file(self, body: str) -> None:
        for files in ((device(body),), ("", device(body))):
            with pytest.raises(ConfigRefused, match="expected an extended regular expression"):
                config(*files)


class TestOverrides:
    """Protocol subsections."""

    def test_subsections_of_a_protocol_are_one_at_the_place_of_the_later(self) -> None:
        text = (
            "overrides {\nprotocol {\ntype scsi:fcp\nfast_io_fail_tmo 7\ndev_loss_tmo 60\n}\n"
            "protocol {\ntype scsi:srp\n}\n"
            "protocol {\ntype scsi:fcp\nfast_io_fail_tmo off\n}\n}\n"
        )
        entries = config(text).protocols
        assert [entry.protocol for entry in entries] == ["scsi:srp", "scsi:fcp"]
        assert {key: value.value for key, value in entries[1].settings.items()} == {
            "fast_io_fail_tmo": "off",
            "dev_loss_tmo": 60,
        }

    def test_a_subsection_without_type_is_left_out(self) -> None:
        result = config("overrides {\nprio alua\nprotocol {\ndev_loss_tmo 5\n}\n}\n")
        assert result.protocols == ()
        assert texts(result.messages) == [f"protocol section in {MAIN} missing type"]
        assert result.overrides["prio"].value == "alua"


class TestMultipaths:
    """Entries for single maps."""

    def entry(self, body: str) -> str:
        return f"multipaths {{\nmultipath {{\n{body}\n}}\n}}\n"

    def test_entries_are_in_the_order_of_their_wwids(self) -> None:
        assert list(config(self.entry("wwid b"), self.entry("wwid a")).multipaths) == ["a", "b"]

    def test_entries_of_one_wwid_are_one_and_the_later_wins(self) -> None:
        result = config(self.entry("wwid a\nalias x\nprio emc"), self.entry("wwid a\nalias y"))
        entry = result.multipaths[Wwid("a")]
        assert {key: value.value for key, value in entry.settings.items()} == {"alias": "y", "prio": "emc"}
        assert texts(result.messages) == ["merge_mptable: duplicate multipath config section for a"]

    @pytest.mark.parametrize(
        ("earlier", "later", "merged"),
        [
            ("mode 640\nuid 7", "prio alua", {"mode": 0o640, "uid": 7}),
            ("mode 640\nuid 7", "gid 8", {"gid": 8}),
            ("mode 640\nuid 7", "uid 0", {"uid": 7}),
            ("mode 640", "mode 600", {"mode": 0o600}),
        ],
    )
    def test_mode_uid_and_gid_are_merged_like_one_setting(
        self, earlier: str, later: str, merged: dict[str, int]
    ) -> None:
        entry = config(self.entry(f"wwid a\n{earlier}"), self.entry(f"wwid a\n{later}")).multipaths[Wwid("a")]
        found = {key: value.value for key, value in entry.settings.items() if key != "prio"}
        assert found == merged

    def test_repeated_entries_are_told_in_the_order_of_their_wwids(self) -> None:
        result = config(*(self.entry(f"wwid {wwid}") for wwid in "babcb"))
        assert [text[-1] for text in texts(result.messages)] == ["b", "b"]
        result = config(*(self.entry(f"wwid {wwid}") for wwid in "cbacb"))
        assert [text[-1] for text in texts(result.messages)] == ["b", "c"]

    def test_an_empty_alias_is_told_once_and_taken_by_nobody(self) -> None:
        result = config(self.entry('wwid a\nalias ""'), self.entry('wwid b\nalias ""'))
        assert [entry.alias_taken_by for entry in result.multipaths.values()] == ["", ""]
        assert all('line 4, alias "" is doubtful' in text for text in texts(result.messages))
        assert len(result.messages) == 2

    def test_an_entry_without_wwid_is_left_out(self) -> None:
        result = config(self.entry("alias x"))
        assert result.multipaths == {}
        assert texts(result.messages) == ["multipaths config section missing wwid"]

    def test_an_alias_belongs_to_the_first_wwid(self) -> None:
        result = config(self.entry("wwid b\nalias x"), self.entry("wwid a\nalias x"))
        assert result.multipaths[Wwid("a")].alias_taken_by == ""
        assert result.multipaths[Wwid("b")].alias_taken_by == "a"
        (message,) = result.messages
        assert (message.file, message.line) == (MAIN, 4)
        assert "it has no effect for b" in message.text


class TestRules:
    """The blacklist and its exceptions."""

    def test_configured_rules_stand_before_the_built_in_one(self) -> None:
        result = config('blacklist {\n devnode "^sdb"\n}\n')
        rules = [rule for rule in result.blacklist if rule.kind is RuleKind.DEVNODE]
        assert [rule.text for rule in rules] == ["^sdb", "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"]
        assert str(rules[0].origin) == f"blacklist section ({MAIN}:2)"
        assert rules[1].origin.kind is OriginKind.BUILT_IN

    def test_nvme_is_no_path_where_the_kernel_joins_its_paths(self) -> None:
        (rule,) = (rule for rule in config("", native_nvme=True).blacklist if rule.kind is RuleKind.DEVNODE)
        assert rule.matches("nvme0n1")
        assert not rule.matches("sda")

    def test_the_built_in_exception_is_on_identifying_properties(self) -> None:
        (rule,) = config("").exceptions
        assert rule.kind is RuleKind.PROPERTY
        assert rule.matches("ID_WWN_VENDOR")
        assert not rule.matches("ID_SERIAL")

    def test_products_that_are_no_disks_become_sixteen_rules(self) -> None:
        rules = [rule for rule in config("").blacklist if rule.kind is RuleKind.DEVICE]
        assert len(rules) == 16
        assert rules[0].origin.kind is OriginKind.HARDWARE_TABLE
        assert rules[0].matches_device("SGI", "Universal Xport")
        assert not rules[0].matches_device("SGI", "TP9700")

    def test_a_configured_product_blacklist_becomes_a_rule(self) -> None:
        result = config(device("vendor A\nproduct B\nproduct_blacklist C"))
        rule = result.blacklist[-1]
        assert (rule.text, rule.origin.kind) == ("A/C", OriginKind.DEVICES)
        assert rule.origin.where == f"{MAIN}:5"

    def test_the_same_rule_twice_is_one(self) -> None:
        text = "blacklist {\n wwid a\n wwid a\n property p\n property p\n}\n"
        rules = [rule for rule in config(text, text).blacklist if rule.kind in (RuleKind.WWID, RuleKind.PROPERTY)]
        assert len(rules) == 2

    @pytest.mark.parametrize(
        ("body", "matching", "other"),
        [
            ("vendor A\nproduct B", ("A", "B"), ("A", "C")),
            ("vendor A", ("A", "x"), ("B", "x")),
            ("product B", ("x", "B"), ("x", "A")),
            ('vendor "!A"\nproduct B', ("C", "B"), ("A", "B")),
        ],
    )
    def test_a_device_rule_matches_with_all_that_it_has(
        self, body: str, matching: tuple[str, str], other: tuple[str, str]
    ) -> None:
        rule = config(f"blacklist {{\ndevice {{\n{body}\n}}\n}}\n").blacklist[0]
        assert rule.matches_device(*matching)
        assert not rule.matches_device(*other)

    def test_an_empty_device_subsection_is_no_rule(self) -> None:
        assert len(config("blacklist {\ndevice {\n}\n}\n").blacklist) == len(config("").blacklist)


class TestPolling:
    """The two polling intervals complete each other."""

    @pytest.mark.parametrize(
        ("body", "interval", "longest"),
        [
            ("polling_interval 7", 7, 28),
            ("max_polling_interval 10", 2, 10),
            ("max_polling_interval 3", 1, 3),
            ("polling_interval 30\nmax_polling_interval 20", 20, 20),
            ("polling_interval 5\nmax_polling_interval 30", 5, 30),
            ("polling_interval 5\nmax_polling_interval 0", 5, 20),
        ],
    )
    def test_what_is_missing_or_contradicts_is_computed(self, body: str, interval: int, longest: int) -> None:
        defaults = config(f"defaults {{\n{body}\n}}\n").defaults
        assert (defaults["polling_interval"].value, defaults["max_polling_interval"].value) == (interval, longest)

    def test_a_computed_value_says_from_what(self) -> None:
        origin = config("defaults {\npolling_interval 7\n}\n").defaults["max_polling_interval"].origin
        assert (origin.kind, origin.why, origin.where) == (OriginKind.IMPLIED, "4 times polling_interval", f"{MAIN}:2")


class TestRefusal:
    """A main file that cannot be used."""

    @pytest.mark.parametrize(
        ("line", "keyword", "column"),
        [
            ("reservation_key zz", "reservation_key", 19),
            ("polling_interval 0", "polling_interval", 3),
            ("partition_delimiter a/b", "partition_delimiter", 3),
        ],
    )
    def test_it_names_file_line_column_keyword_and_what_was_expected(
        self, line: str, keyword: str, column: int
    ) -> None:
        with pytest.raises(ConfigRefused) as caught:
            config(f"defaults {{\n  {line}\n}}\n")
        error = caught.value
        assert (error.file, error.line, error.column) == (MAIN, 2, column)
        assert error.message.startswith(f"{keyword}: expected ")
        assert error.hint

    def test_all_messages_come_with_it(self) -> None:
        with pytest.raises(ConfigRefused) as caught:
            config("nosuch 1\nblacklist {\n wwid (\n}\nnosuch 2\n")
        assert texts(caught.value.messages) == [
            f"{MAIN} line 1, invalid keyword: nosuch",
            f"{MAIN} line 3, parsing failed:  wwid (",
            f"{MAIN} line 5, invalid keyword: nosuch",
            "error parsing config file",
        ]

    def test_the_same_in_a_drop_in_costs_that_line_only(self) -> None:
        result = config("", "blacklist {\n wwid (\n wwid good\n}\ndefaults {\n prio alua\n}\n")
        assert [rule.text for rule in result.blacklist if rule.kind is RuleKind.WWID] == ["good"]
        assert result.defaults["prio"].value == "alua"
        assert len(result.messages) == 1


def loaded(*files: TextFile) -> Config | None:
    """The configuration; None: it was refused. Anything else that is raised is a failure of the test."""
    try:
        return load_config(files)
    except ConfigError:
        return None


@given(st.text(max_size=300), st.binary(max_size=300))
def test_no_text_raises_anything_but_a_configuration_error(text: str, raw: bytes) -> None:
    drop_in = TextFile("/etc/multipath/conf.d/x.conf", raw.decode("utf-8", "surrogateescape"))
    result = loaded(TextFile(MAIN, text), drop_in)
    assert result is None or len(result.devices) >= BUILT_IN


WORDS = [
    *("defaults", "devices", "device", "overrides", "protocol", "multipaths", "multipath", "blacklist", "vendor"),
    *("product", "wwid", "alias", "prio", "type", "mode", "failback", "polling_interval", "product_blacklist"),
    *("reservation_key", "{", "}", '"', '""', "#", "!", "0", "-1", "x", "[", "(a", "yes", "scsi:fcp", "\0", "\r"),
    *("\u00e9", "\udcff"),
]
LINES = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)


@given(st.lists(LINES, max_size=25).map("\n".join))
def test_no_words_of_the_language_raise_anything_but_a_configuration_error(text: str) -> None:
    result = loaded(TextFile(MAIN, text), TextFile("/etc/multipath/conf.d/x.conf", text))
    messages = result.messages if result else ()
    assert all(message.text and message.line > 0 for message in messages)


@pytest.mark.parametrize(
    ("before", "identity", "line", "keyword"),
    [
        pytest.param("multipaths {\nmultipath {\n", "wwid a\n", "alias x{}\n", "alias", id="multipath"),
        pytest.param("devices {\ndevice {\n", "vendor a\nproduct b\n", "prio x{}\n", "prio", id="device"),
        pytest.param(
            "overrides {\nprotocol {\n", "type scsi:fcp\n", "fast_io_fail_tmo {}\n", "fast_io_fail_tmo", id="protocol"
        ),
    ],
)
def test_a_keyword_may_be_set_thousands_of_times_in_an_entry_that_repeats_another(
    before: str, identity: str, line: str, keyword: str
) -> None:
    first = f"{before}{identity}{line.format(1)}}}\n}}\n"
    again = f"{before}{identity}{''.join(line.format(number) for number in range(2, 5001))}}}\n}}\n"
    result = config(first + again)
    entries: list[MultipathEntry | ProtocolEntry | DeviceEntry] = []
    entries += [*result.multipaths.values(), *result.protocols, result.devices[-1]]
    values = [each.value for each in with_replaced(entries[0].settings[keyword])]
    assert (str(values[0])[-4:], str(values[-1])[-1:], len(values)) == ("5000", "1", 5000)
