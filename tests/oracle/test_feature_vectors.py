"""The features string against answers that the reference implementation's own functions gave."""

from typing import Any

import pytest

from desired.features import FeatureSyntax, QueueMode, add_feature, reconcile, reconcile_queue_mode, remove_feature
from tests.oracle.spec import spec_json

RETAIN = {"undef": None, "on": True, "off": False}
MODES = {"undef": None, "rq": QueueMode.REQUEST, "bio": QueueMode.BIO}


def cases(operation: str) -> list[dict[str, Any]]:
    found = [case for case in spec_json("vectors", "features.json")["cases"] if case["op"] == operation]
    assert found
    return found


def test_words_are_added_as_the_reference_adds_them() -> None:
    for case in cases("add_feature"):
        if case["rc"]:
            with pytest.raises(FeatureSyntax):
                add_feature(case["features"], case["arg"])
        else:
            assert add_feature(case["features"], case["arg"]) == case["result"], case


def test_words_are_removed_as_the_reference_removes_them() -> None:
    for case in cases("remove_feature"):
        if case["rc"]:
            with pytest.raises(FeatureSyntax):
                remove_feature(case["features"], case["arg"])
        else:
            assert remove_feature(case["features"], case["arg"]) == case["result"], case


def test_queue_mode_is_reconciled_as_the_reference_does() -> None:
    for case in cases("reconcile_queue_mode"):
        wanted = case["result"], MODES[case["result_queue_mode"]]
        assert reconcile_queue_mode(case["features"], MODES[case["queue_mode"]]) == wanted, case


def test_features_are_reconciled_with_their_keywords_as_the_reference_does() -> None:
    found = spec_json("vectors", "features-reconcile.json")["cases"]
    assert len(found) == 165
    for case in found:
        retry = None if case["no_path_retry"] == "undef" else case["no_path_retry"]
        result = reconcile(case["features"], retry, retain=RETAIN[case["retain_attached_hw_handler"]])
        out = case["out"]
        assert result.features == out["features"], case
        assert (result.no_path_retry or "undef") == out["no_path_retry"], case
        assert result.retain == RETAIN[out["retain_attached_hw_handler"]], case
