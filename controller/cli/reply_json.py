"""The daemon's replies as values, for `--json`: what its texts say, with its own words as keys.

In: the text of a reply, of our daemon or of multipath-tools'. Out: something that JSON has. Pure; a text of another
form is refused, never guessed at.
"""

import re
from collections.abc import Callable, Mapping

from controller.client.errors import NotUnderstood

Value = Mapping[str, object] | list[Mapping[str, object]]


def daemon(text: str) -> Value:
    """`show daemon`."""
    found = _matched(r"pid (\d+) (\w+)(?: \((.*)\))?", text, "its process")
    return {"pid": int(found[1]), "state": found[2], "pending": found[3]}


def status(text: str) -> Value:
    """`show status`: how many paths are in which state."""
    lines = [line.rsplit(None, 1) for line in text.splitlines()]
    pairs = {line[0].rstrip(": "): line[1] for line in lines if len(line) == 2}
    states = {name: int(value) for name, value in pairs.items() if value.isdecimal() and name != "paths"}
    return {"states": states, "paths": int(pairs.get("paths", 0)), "busy": pairs.get("busy") == "True"}


def age(text: str) -> Value:
    """`show age`: seconds, and the number of the cycle."""
    found = _matched(r"age (\d+\.?\d*)\ncycle (\d+)", text, "its age")
    return {"age": float(found[1]), "cycle": int(found[2])}


def devices(text: str) -> Value:
    """`show devices`: each block device, what is said of it, and whether it is looked after."""
    return [_device(line) for line in text.splitlines() if line and not line.endswith(":")]


def _device(line: str) -> Mapping[str, object]:
    found = _matched(r"\s*(\S+)\s+(.*), (un)?monitored", line, "a device")
    return {"device": found[1], "verdict": found[2], "monitored": not found[3]}


_RULE = re.compile(r"\s*(?:\((default) rule\) {4}|\((config file) rule\)) (.*)", re.DOTALL)
_EMPTY = "<empty>"


def blacklist(text: str) -> Value:
    """`show blacklist`: by kind of rule, those that keep devices out (`blacklist`) and those that let them in
    (`exceptions`). An empty list is there, too."""
    kinds: dict[str, dict[str, list[Mapping[str, object]]]] = {}
    rules: list[Mapping[str, object]] | None = None
    for line in text.split("\n"):
        if line.endswith(" rules:"):
            kinds[line.removesuffix(" rules:")] = {}
        elif line.startswith("- ") and kinds:
            rules = kinds[next(reversed(kinds))].setdefault(line.strip("- :"), [])
        elif line and line.strip() != _EMPTY:
            if rules is None:
                raise _unclear("its rules")
            rules.append(_rule(line))
    return kinds


def _rule(line: str) -> Mapping[str, object]:
    found = _RULE.fullmatch(line)
    if found is None:
        raise _unclear("a rule")
    return {"rule": found[3], "origin": found[1] or found[2]}


def wildcards(text: str) -> Value:
    """`show wildcards`: the titles by the letters, for `multipath` and for `path`."""
    kinds: dict[str, dict[str, str]] = {}
    for line in filter(None, text.splitlines()):
        title, entry = _WILDCARDS.fullmatch(line), _WILDCARD.fullmatch(line)
        if title:
            kinds[title[1]] = {}
        elif entry and kinds:
            kinds[next(reversed(kinds))][entry[1]] = entry[2]
        else:
            raise _unclear("the letters")
    return kinds


_WILDCARDS, _WILDCARD = re.compile(r"(\w+) format wildcards:"), re.compile(r"%(\S)\s+(.*)")


def recorder(text: str) -> Value:
    """`dump recorder`: the file that was written."""
    return {"file": text.strip()}


def done(text: str) -> Value:
    """What the daemon says when it did something: mostly `ok`."""
    return {"reply": text.strip()}


def metrics(text: str) -> Value:
    """`list metrics`: each number with its name and its labels."""
    return [_sample(line) for line in text.splitlines() if line and not line.startswith("#")]


_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def _sample(line: str) -> Mapping[str, object]:
    found = _matched(r"([\w:]+)(?:\{(.*)\})? ([-+.\deE]+)", line, "a number")
    labels = {name: _unescaped(text) for name, text in _LABEL.findall(found[2] or "")}
    return {"name": found[1], "labels": labels, "value": float(found[3])}


def _unescaped(text: str) -> str:
    return re.sub(r'\\[\\"n]', lambda match: _ESCAPES[match[0]], text)


def _matched(expression: str, text: str, subject: str) -> re.Match[str]:
    found = re.match(expression, text)
    if found is None:
        raise _unclear(subject)
    return found


def _unclear(subject: str) -> NotUnderstood:
    return NotUnderstood(f"what the daemon says of {subject} could not be understood")


SHOWN: Mapping[str, Callable[[str], Value]] = {
    "status": status,
    "daemon": daemon,
    "blacklist": blacklist,
    "devices": devices,
    "wildcards": wildcards,
    "age": age,
}
"""By what is asked for with `show`."""
