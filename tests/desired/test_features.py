"""The features string and the keywords that are bound up with it."""

import pytest

from desired.features import (
    FeatureSyntax,
    QueueMode,
    add_feature,
    feature_words,
    queue_mode_of,
    reconcile,
    reconcile_queue_mode,
    remove_feature,
)


@pytest.mark.parametrize(
    ("features", "words", "result"),
    [
        ("0", "queue_if_no_path", "1 queue_if_no_path"),
        ("2 pg_init_retries 50", "queue_if_no_path", "3 pg_init_retries 50 queue_if_no_path"),
        ("1 queue_if_no_path", "queue_if_no_path", "1 queue_if_no_path"),
        ("1 queue_if_no_paths", "queue_if_no_path", "2 queue_if_no_paths queue_if_no_path"),
        (None, "queue_mode bio", "2 queue_mode bio"),
        ("2 pg_init_retries 50", "", "2 pg_init_retries 50"),
    ],
)
def test_words_are_added_once_at_the_end(features: str | None, words: str, result: str) -> None:
    assert add_feature(features, words) == result


@pytest.mark.parametrize(
    ("features", "words", "result"),
    [
        ("1 queue_if_no_path", "queue_if_no_path", "0"),
        ("3 queue_if_no_path pg_init_retries 50", "queue_if_no_path", "2 pg_init_retries 50"),
        ("3 pg_init_retries 50 queue_if_no_path", "queue_if_no_path", "2 pg_init_retries 50"),
        ("1 queue_if_no_paths", "queue_if_no_path", "1 queue_if_no_paths"),
        ("4 this\t is a test", "is a", "2 this\t test"),
    ],
)
def test_whole_words_are_removed(features: str, words: str, result: str) -> None:
    assert remove_feature(features, words) == result


@pytest.mark.parametrize("call", [lambda: add_feature("x", "y"), lambda: remove_feature("x", "y")])
def test_a_string_without_its_count_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(FeatureSyntax, match="do not begin with the count"):
        call()


def test_a_word_with_blanks_around_it_is_refused() -> None:
    with pytest.raises(FeatureSyntax, match="begins or ends with a blank"):
        add_feature("0", " queue_if_no_path")


def test_queue_if_no_path_becomes_no_path_retry_queue_when_that_is_not_set() -> None:
    result = reconcile("3 queue_if_no_path pg_init_retries 50", None, retain=None)
    assert (result.features, result.no_path_retry) == ("2 pg_init_retries 50", "queue")
    assert "deprecated" in result.notes[0]


def test_no_path_retry_wins_over_queue_if_no_path() -> None:
    result = reconcile("1 queue_if_no_path", "fail", retain=None)
    assert (result.features, result.no_path_retry) == ("0", "fail")
    assert "is ignored: no_path_retry is fail" in result.notes[0]


def test_retaining_in_features_is_ignored_when_the_keyword_says_no() -> None:
    result = reconcile("1 retain_attached_hw_handler", None, retain=False)
    assert (result.features, result.retain) == ("0", False)
    assert "ignored" in result.notes[0]


def test_retaining_in_features_sets_the_keyword_when_it_is_not_set() -> None:
    assert reconcile("1 retain_attached_hw_handler", None, retain=None).retain is True


def test_a_mode_that_is_given_wins_over_the_one_in_features() -> None:
    assert reconcile_queue_mode("2 queue_mode rq", QueueMode.BIO) == ("2 queue_mode bio", QueueMode.BIO)
    assert reconcile_queue_mode("2 queue_mode bio", QueueMode.REQUEST) == ("0", QueueMode.REQUEST)


def test_a_mode_in_features_counts_when_none_is_given() -> None:
    assert reconcile_queue_mode("2 queue_mode mq", None) == ("2 queue_mode mq", QueueMode.REQUEST)


def test_an_unknown_mode_is_dropped() -> None:
    assert reconcile_queue_mode("3 queue_mode fast queue_if_no_path", None) == ("1 queue_if_no_path", None)


def test_a_loaded_table_shows_its_queue_mode() -> None:
    assert queue_mode_of(("queue_if_no_path", "queue_mode", "bio")) is QueueMode.BIO
    assert queue_mode_of(("queue_if_no_path",)) is QueueMode.REQUEST


def test_words_come_without_their_count() -> None:
    assert feature_words("3 pg_init_retries 50 queue_if_no_path") == ("pg_init_retries", "50", "queue_if_no_path")
    assert feature_words("0") == ()
