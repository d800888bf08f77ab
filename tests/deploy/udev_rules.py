"""As much of udev(7) as the rules here need: rules are read strictly, and run on a described event.

A token that udev would not know is an error, so that reading a file is a check of it. Where udevadm can verify rules,
the tests ask it, too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

TOKEN = re.compile(r'\s*([A-Z_]+)(?:\{([^}]+)\})?\s*(==|!=|\+=|:=|=)\s*"([^"]*)"\s*(?:,|$)')
MATCHES = frozenset({"ACTION", "SUBSYSTEM", "KERNEL", "ENV", "TEST", "PROGRAM", "IMPORT"})
ASSIGNS = frozenset({"ENV", "RUN", "SYMLINK", "OPTIONS", "GOTO", "LABEL"})
IMPORTS = frozenset({"db", "program", "cmdline", "parent"})


class BadRule(Exception):
    """A rule that udev would not take."""


@dataclass(frozen=True, slots=True)
class Token:
    key: str
    attribute: str
    operator: str
    value: str

    @property
    def is_match(self) -> bool:
        """A question rather than an assignment; a program or import is one whatever its operator."""
        return self.operator in ("==", "!=") or self.key in ("PROGRAM", "IMPORT")


Rule = tuple[Token, ...]


def parse(text: str) -> list[Rule]:
    """The rules of a file. Comments end at their line, and a backslash joins two lines."""
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    rules = [tuple(_tokens(line)) for line in joined.split("\n") if line.strip()]
    labels = [token.value for rule in rules for token in rule if token.key == "LABEL"]
    for number, rule in enumerate(rules):
        later = {token.value for each in rules[number + 1 :] for token in each if token.key == "LABEL"}
        for token in rule:
            if token.key == "GOTO" and (token.value not in later or labels.count(token.value) != 1):
                raise BadRule(f"GOTO {token.value}: no such label follows, or there are several")
    return rules


def _tokens(line: str) -> Iterator[Token]:
    at = 0
    while at < len(line.rstrip()):
        found = TOKEN.match(line, at)
        if found is None:
            raise BadRule(f"not a token: {line[at:]!r}")
        at = found.end()
        token = Token(found[1], found[2] or "", found[3], found[4])
        if token.key not in (MATCHES if token.is_match else ASSIGNS):
            raise BadRule(f"{token.key} {token.operator}")
        if token.key == "IMPORT" and token.attribute not in IMPORTS:
            raise BadRule(f"IMPORT{{{token.attribute}}}")
        if (token.key == "ENV") != bool(token.attribute) and token.key != "IMPORT":
            raise BadRule(f"{token.key}{{{token.attribute}}}")
        yield token


@dataclass(slots=True)
class Event:
    """An event and the host it happens on. `programs`: by the beginning of their command, what they print (None: they
    fail). `env` is changed by the rules, and `run`, `links` and `options` collect what they ask for."""

    action: str = "add"
    kernel: str = "sda"
    env: dict[str, str] = field(default_factory=dict)
    db: Mapping[str, str] = field(default_factory=dict)
    parent: Mapping[str, str] = field(default_factory=dict)
    cmdline: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, str | None] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    run: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def apply(self, rules: Sequence[Rule]) -> "Event":
        """Run the rules."""
        skip_to = ""
        for rule in rules:
            if skip_to and not any(token.key == "LABEL" and token.value == skip_to for token in rule):
                continue
            skip_to = ""
            # udev asks all questions of a rule before it assigns anything.
            if not all(self._holds(token) for token in rule if token.is_match):
                continue
            for token in rule:
                if not token.is_match:
                    skip_to = self._assign(token) or skip_to
        return self

    def _holds(self, token: Token) -> bool:
        if token.key in ("PROGRAM", "IMPORT"):
            answer = self._program(token.value) if token.key == "PROGRAM" else self._import(token)
        elif token.key == "TEST":
            answer = self._expanded(token.value) in self.files
        else:
            values = {"ACTION": self.action, "KERNEL": self.kernel, "SUBSYSTEM": "block"}
            value = self.env.get(token.attribute, "") if token.key == "ENV" else values[token.key]
            answer = any(fnmatchcase(value, pattern) for pattern in token.value.split("|"))
        return answer != (token.operator == "!=")

    def _program(self, command: str) -> bool:
        return self._output(command) is not None

    def _output(self, command: str) -> str | None:
        command = self._expanded(command)
        self.asked.append(command)
        return next((out for beginning, out in self.programs.items() if command.startswith(beginning)), None)

    def _import(self, token: Token) -> bool:
        if token.attribute == "program":
            output = self._output(token.value)
            pairs = (line.partition("=") for line in (output or "").splitlines())
            self.env |= {key: value.strip('"') for key, _, value in pairs}
            return output is not None
        source = {"db": self.db, "parent": self.parent, "cmdline": self.cmdline}[token.attribute]
        if token.value in source:
            self.env[token.value] = source[token.value]
        return token.value in source

    def _assign(self, token: Token) -> str:
        value = self._expanded(token.value)
        match token.key:
            case "ENV":
                self.env[token.attribute] = value
            case "RUN":
                self.run.append(value)
            case "SYMLINK":
                self.links.append(value)
            case "OPTIONS":
                self.options.append(value)
            case "GOTO":
                return value
        return ""

    def _expanded(self, text: str) -> str:
        text = re.sub(r"\$env\{([^}]+)\}", lambda found: self.env.get(found[1], ""), text)
        for name, value in (("$major", "8"), ("$minor", "16"), ("$sys", "/sys"), ("$devpath", "/devices/x/block/sda"),
                            ("$kernel", self.kernel), ("%k", self.kernel), ("%M", "8"), ("%m", "16")):  # fmt: skip
            text = text.replace(name, value)
        return text
