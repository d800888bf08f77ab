"""Every kind of value: what is accepted, what it means, and what is said about the rest."""

from typing import Any

import pytest

from desired.model import Failback, FailbackMode
from desired.options import GRAMMAR, OPTIONS, Section
from desired.values import (
    AutoResize,
    Effect,
    FindMultipaths,
    FlushOnLastDel,
    GroupingPolicy,
    Infinity,
    LogCheckerErr,
    MarginalPathgroups,
    Max,
    No,
    Off,
    Protocol,
    ReservationKey,
    RetryMode,
    RrWeight,
    VpdVendor,
)
from tests.conf.reading import HOST, MAIN, reading

GOOD: list[tuple[str, str, object]] = [
    ("user_friendly_names", "yes", True),
    ("user_friendly_names", "1", True),
    ("user_friendly_names", "no", False),
    ("user_friendly_names", "0", False),
    ("verbosity", " 3 ", 3),
    ("path_grouping_policy", "group_by_prio", GroupingPolicy.GROUP_BY_PRIO),
    ("path_grouping_policy", "failoverXYZ", GroupingPolicy.FAILOVER),
    ("path_selector", "service-time 0", "service-time 0"),
    ("path_selector", "round-robin 2 a b", "round-robin 2 a b"),
    ("features", "1 queue_if_no_path", "1 queue_if_no_path"),
    ("features", "0", "0"),
    ("failback", "immediate", Failback(FailbackMode.IMMEDIATE)),
    ("failback", "followover", Failback(FailbackMode.FOLLOWOVER)),
    ("failback", "manual", Failback(FailbackMode.MANUAL)),
    ("failback", "15", Failback(FailbackMode.DELAYED, 15)),
    ("no_path_retry", "fail", RetryMode.FAIL),
    ("no_path_retry", "0", RetryMode.FAIL),
    ("no_path_retry", "queue", RetryMode.QUEUE),
    ("no_path_retry", "12", 12),
    ("max_fds", "max", Max.MAX),
    ("max_fds", "0", 0),
    ("flush_on_last_del", "never", FlushOnLastDel.NEVER),
    ("mode", "0660", 0o660),
    ("mode", "7", 7),
    ("uid", "root", 0),
    ("uid", "70000", 70000),
    ("gid", "daemon", 12),
    ("gid", " 7 ", 7),
    ("fast_io_fail_tmo", "off", Off.OFF),
    ("fast_io_fail_tmo", "0", 0),
    ("fast_io_fail_tmo", "7", 7),
    ("dev_loss_tmo", "infinity", Infinity.INFINITY),
    ("dev_loss_tmo", "4294967295", Infinity.INFINITY),
    ("dev_loss_tmo", "60", 60),
    ("log_checker_err", "once", LogCheckerErr.ONCE),
    ("rr_weight", "priorities", RrWeight.PRIORITIES),
    ("reservation_key", "file", ReservationKey(None)),
    ("reservation_key", "0x123abc:aptpl", ReservationKey(0x123ABC, aptpl=True)),
    ("reservation_key", "ffffffffffffffff", ReservationKey(2**64 - 1)),
    ("delay_watch_checks", "no", No.NO),
    ("delay_watch_checks", "0", No.NO),
    ("delay_watch_checks", "4", 4),
    ("find_multipaths", "yes", FindMultipaths.ON),
    ("find_multipaths", "0", FindMultipaths.OFF),
    ("find_multipaths", "smart", FindMultipaths.SMART),
    ("find_multipaths_timeout", "-20", -20),
    ("marginal_pathgroups", "1", MarginalPathgroups.ON),
    ("marginal_pathgroups", "fpin", MarginalPathgroups.FPIN),
    ("auto_resize", "grow_only", AutoResize.GROW_ONLY),
    ("uid_attrs", "sd:ID_SERIAL nvme:ID_WWN", (("sd", "ID_SERIAL"), ("nvme", "ID_WWN"))),
    ("alias_prefix", "lun", "lun"),
    ("enable_foreign", "[", "["),
    ("polling_interval", "7", 7),
    ("prio_args", "", ""),
]


@pytest.mark.parametrize(("keyword", "text", "value"), GOOD)
def test_a_value_is_read_without_a_word(keyword: str, text: str, value: object) -> None:
    result = reading(keyword, text)
    assert (result.effect, result.value, result.complaint) == (Effect.SET, value, "")


@pytest.mark.parametrize(("keyword", "value"), [(keyword, value) for keyword, _, value in GOOD])
def test_a_written_value_reads_as_the_same_value(keyword: str, value: object) -> None:
    option = GRAMMAR[Section.DEFAULTS][keyword]
    assert reading(keyword, option.write(value)).value == value


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("user_friendly_names", "Yes"),
        ("user_friendly_names", ""),
        ("verbosity", "3x"),
        ("verbosity", ""),
        ("verbosity", "\u0663"),
        ("path_grouping_policy", "group"),
        ("failback", "soon"),
        ("no_path_retry", "forever"),
        ("mode", "1777"),
        ("mode", "-7"),
        ("mode", "9"),
        ("uid", "nosuchuser"),
        ("uid", ""),
        ("gid", " x1"),
        ("fast_io_fail_tmo", "on"),
        ("dev_loss_tmo", "Infinity"),
        ("rr_weight", "heavy"),
        ("find_multipaths", "maybe"),
        ("flush_on_last_del", "sometimes"),
        ("polling_interval", "abc"),
        ("polling_interval", "-3"),
        ("polling_interval", "+3"),
        ("polling_interval", "5 s"),
        ("polling_interval", "4294967296"),
        ("max_polling_interval", "abc"),
    ],
)
def test_an_invalid_value_is_told_and_leaves_the_earlier_one(keyword: str, text: str) -> None:
    result = reading(keyword, text)
    assert result.effect is Effect.KEEP
    assert result.complaint == f'{MAIN} line 3, invalid value for {keyword}: "{text}"'
    assert result.hint.startswith("expected ")


@pytest.mark.parametrize(
    ("keyword", "text", "value", "direction"),
    [
        ("verbosity", "99", 4, "large"),
        ("rr_min_io_rq", "99999999999", 2**31 - 1, "large"),
        ("max_fds", "5000", 1000, "large"),
        ("no_path_retry", "-3", 1, "small"),
        ("fast_io_fail_tmo", "-7", 1, "small"),
        ("eh_deadline", "00", 1, "small"),
        ("max_retries", "9", 5, "large"),
        ("uxsock_timeout", "100", 4000, "small"),
        ("ghost_delay", "-4", 1, "small"),
        ("find_multipaths_timeout", "-99999999999", -(2**31), "small"),
        ("retrigger_tries", "9" * 400, 2**31 - 1, "large"),
    ],
)
def test_a_number_out_of_range_is_capped_and_told(keyword: str, text: str, value: int, direction: str) -> None:
    result = reading(keyword, text)
    assert (result.effect, result.value) == (Effect.SET, value)
    assert result.complaint == f"{MAIN} line 3, value for {keyword} too {direction}, capping at {value}"


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("rr_min_io", "0"),
        ("max_sectors_kb", "0"),
        ("checker_timeout", "0"),
        ("dev_loss_tmo", "0"),
        ("failback", "0"),
        ("find_multipaths_timeout", "0"),
        ("max_polling_interval", "0"),
    ],
)
def test_a_zero_that_means_not_set_takes_an_earlier_value_away(keyword: str, text: str) -> None:
    assert reading(keyword, text).effect is Effect.CLEAR


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("round-robin", "missing argument count for path_selector"),
        ("service-time x", "missing argument count for path_selector"),
        ("service-time -1", "missing argument count for path_selector"),
        ("service-time 1", "invalid argument count for path_selector:, got '1' expected '0'"),
        ("service-time 0 a", "invalid argument count for path_selector:, got '0' expected '1'"),
    ],
)
def test_words_for_the_kernel_need_their_count(text: str, said: str) -> None:
    result = reading("path_selector", text)
    assert (result.effect, result.complaint) == (Effect.KEEP, f"{MAIN} line 3, {said}")


@pytest.mark.parametrize(("old", "now"), [("yes", "always"), ("1", "always"), ("no", "unused"), ("0", "unused")])
def test_old_words_of_flush_on_last_del_count_with_a_word_about_it(old: str, now: str) -> None:
    result = reading("flush_on_last_del", old)
    assert result.value == FlushOnLastDel(now)
    assert f'"{old}" is a deprecated value for flush_on_last_del and is treated as "{now}"' in result.complaint


@pytest.mark.parametrize("keyword", ["alias_prefix", "partition_delimiter"])
def test_a_slash_in_what_becomes_a_file_name_is_refused(keyword: str) -> None:
    result = reading(keyword, "a/b")
    assert result.effect is Effect.KEEP
    assert result.complaint == f"{MAIN} line 3, a/b cannot contain a slash. Ignoring"


@pytest.mark.parametrize(
    ("keyword", "text", "value"),
    [
        ("uid", "-1", 2**32 - 1),
        ("uid", "4294967297", 1),
        ("gid", "12x", 12),
        ("mode", "640 rw", 0o640),
        ("dev_loss_tmo", "-1", Infinity.INFINITY),
        ("dev_loss_tmo", "60s", 60),
        ("dev_loss_tmo", "-" + "9" * 30, Infinity.INFINITY),
    ],
)
def test_a_number_with_a_sign_or_a_rest_is_read_as_ever_and_told(keyword: str, text: str, value: object) -> None:
    result = reading(keyword, text)
    assert (result.effect, result.value, result.complaint) == (Effect.SET, value, "")
    assert result.hint.startswith("expected ")


def test_a_loss_timeout_that_overflows_to_zero_means_not_set_and_is_told() -> None:
    result = reading("dev_loss_tmo", "4294967296")
    assert result.effect is Effect.CLEAR
    assert result.hint.startswith("expected ")


def test_an_alias_with_a_slash_is_refused() -> None:
    assert reading("alias", "bad/name", Section.MULTIPATH).effect is Effect.KEEP


def test_an_empty_alias_is_told() -> None:
    result = reading("alias", "", Section.MULTIPATH)
    assert (result.effect, result.value) == (Effect.SET, "")
    assert result.hint.startswith("expected a name")


@pytest.mark.parametrize(("text", "key"), [("x12", 0x12), ("0" + "1" * 16, 0x1111111111111111), ("012", 0x12)])
def test_a_reservation_key_may_begin_oddly(text: str, key: int) -> None:
    assert reading("reservation_key", text).value == ReservationKey(key)


def test_a_reservation_key_of_zeros_is_told() -> None:
    result = reading("reservation_key", "0x0")
    assert result.value == ReservationKey(0)
    assert "stands for none" in result.hint


@pytest.mark.parametrize("text", ["", "0", "zz", "0x", "1" * 17, "1:other", "1:", " 1", "file:aptpl"])
def test_a_bad_reservation_key_refuses_the_file(text: str) -> None:
    assert reading("reservation_key", text).effect is Effect.REFUSE


def test_text_without_a_colon_in_uid_attrs_is_left_out_and_told() -> None:
    result = reading("uid_attrs", "sd:A junk nvme:B:C")
    assert result.value == (("sd", "A"), ("nvme:B", "C"))
    assert "junk" in result.hint
    assert result.complaint.split("\n") == [
        "invalid record in uid_attrs: junk",
        f'{MAIN} line 3,error parsing uid_attrs: "sd:A junk nvme:B:C"',
    ]


def test_a_bad_rule_refuses_the_file() -> None:
    assert reading("wwid", "[a", Section.BLACKLIST).effect is Effect.REFUSE


def test_undef_as_vpd_vendor_means_not_set() -> None:
    assert reading("vpd_vendor", "undef", Section.DEVICE).effect is Effect.CLEAR
    assert reading("vpd_vendor", "hp3par", Section.DEVICE).value is VpdVendor.HP3PAR


def test_a_protocol_is_one_of_the_known_names() -> None:
    assert reading("type", "nvme:tcp", Section.PROTOCOL).value is Protocol.NVME_TCP
    assert reading("type", "scsi:bogus", Section.PROTOCOL).effect is Effect.KEEP


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.keyword}-{option.sections[0].value}")
def test_every_row_can_say_what_it_expects(option: Any) -> None:
    assert option.kind.expected
    assert all(
        reading(option.keyword, word, option.sections[0]).effect is not Effect.KEEP for word in option.kind.words
    )


@pytest.mark.parametrize("option", [row for row in OPTIONS if row.default is not None], ids=lambda row: row.keyword)
def test_every_built_in_default_could_be_configured(option: Any) -> None:
    assert reading(option.keyword, option.write(option.default), option.sections[0]).value in (option.default, None)


def test_the_accounts_are_those_that_were_handed_in() -> None:
    assert "daemon" in HOST.accounts
    assert reading("uid", "daemon").value == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("0" * 900 + "7", 7), ("0" * 900, 0), ("-" + "0" * 900 + "7", 0), ("0" * 900 + "x", None), ("9" * 900, 2**31 - 1)],
    ids=["zeros and a digit", "zeros", "a negative number", "zeros and a letter", "nines"],
)
def test_a_number_may_have_hundreds_of_digits(text: str, value: int | None) -> None:
    assert reading("missing_uev_wait_timeout", text).value == value
