"""The blacklist against answers that the reference implementation's own functions gave."""

from typing import Any

from desired.admission import Blacklist, Match, Outcome
from desired.config import Config, Rule, RuleKind
from desired.model import Origin, OriginKind
from desired.precedence import DeviceKind
from desired.regex import compile_pattern
from observers.snapshot import Bus
from tests.oracle.spec import spec_json

CONFIGURED = Origin(OriginKind.DEFAULTS)
WORDS = {Outcome.LISTED: "_blist", Outcome.EXCEPTED: "_blist_except", Outcome.MISSING: "_blist_missing"}


def rule(kind: RuleKind, described: Any) -> Rule:
    if kind is not RuleKind.DEVICE:
        return Rule(kind=kind, origin=CONFIGURED, pattern=compile_pattern(described))
    vendor, product = compile_pattern(described["vendor"]), compile_pattern(described["product"])
    return Rule(kind=kind, origin=CONFIGURED, vendor=vendor, product=product)


def blacklist(case: dict[str, Any]) -> Blacklist:
    if case["op"] == "path":
        described = case["config"]
    else:
        described = {"blacklist": {case["op"]: case["blacklist"]}, "exceptions": {case["op"]: case["exceptions"]}}
    listed, excepted = (
        tuple(rule(RuleKind(kind), text) for kind, texts in described[side].items() for text in texts)
        for side in ("blacklist", "exceptions")
    )
    return Blacklist(Config(blacklist=listed, exceptions=excepted))


def answer(case: dict[str, Any]) -> Match:
    rules = blacklist(case)
    match case["op"]:
        case "device":
            return rules.device(case["vendor"], case["product"])
        case "property":
            return rules.properties(dict.fromkeys(case["properties"], "x"), case["uid_attribute"] or "")
        case "path":
            path = case["path"]
            kind = DeviceKind(path["vendor"], path["product"], "", path["protocol"], Bus.SCSI)
            properties = dict.fromkeys(path["properties"], "x")
            found = rules.path(path["dev"], kind, properties, path["uid_attribute"] or "")
            return found if found.outcome.blocks else rules.wwid(path["wwid"])
        case other:
            return rules.text(RuleKind(other), case["value"])


def test_rules_match_as_in_the_reference() -> None:
    cases = spec_json("vectors", "blacklist.json")["cases"]
    assert len(cases) == 52
    for case in cases:
        found = answer(case)
        assert found.outcome.blocks == case["blacklisted"], case
        words = f"{found.kind}{WORDS[found.outcome]}" if found.outcome is not Outcome.NOTHING else "nothing"
        assert words == case["result"], case
