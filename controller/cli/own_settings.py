"""The daemon's settings that are not in multipath.conf: the language of that file is multipath-tools', which would
refuse a keyword that it does not know. So they are options of `mpathctl run` and, for a service, variables of its
environment.

In: the environment, or the text of one option. Out: values. It must never take a value that it does not understand for
the default.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from observers.errors import InputError

T = TypeVar("T")

TEXTFILE, APPLY_CHANGES, MD_INTERVAL = "MPATHCTL_TEXTFILE", "MPATHCTL_APPLY_CONFIG_CHANGES", "MPATHCTL_MD_INTERVAL"

_YES, _NO = frozenset({"1", "yes", "true", "on"}), frozenset({"0", "no", "false", "off"})
"""As systemd.syntax(7) has them."""

_LONGEST = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSettings:
    """`textfile`: where metrics are written to for node_exporter; None: nowhere. `apply_changes`: a changed
    configuration is put in force without being asked for. `md_interval`: seconds between two questions to a failed
    member of an md array; None: as many as is usual."""

    textfile: str | None = None
    apply_changes: bool = False
    md_interval: float | None = None


def from_environment(environment: Mapping[str, str]) -> OwnSettings:
    """What the environment says; a variable that is empty says nothing. `InputError` names the one that is wrong."""
    return OwnSettings(
        textfile=_value(environment, TEXTFILE, textfile),
        apply_changes=bool(_value(environment, APPLY_CHANGES, switch)),
        md_interval=_value(environment, MD_INTERVAL, interval),
    )


def _value(environment: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise InputError(
            f"{name}: {error}", hint="correct it in the environment of the daemon, or leave it out"
        ) from None


def textfile(text: str) -> str:
    """A file of metrics (ValueError: node_exporter would not read it)."""
    if not text.endswith(".prom") or not os.path.isabs(text):
        raise ValueError(f"{text!r} is no absolute path that ends in .prom, which node_exporter looks for")
    return text


def interval(text: str) -> float:
    """Seconds (ValueError: it is no such number)."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1.0 <= seconds <= _LONGEST:
        raise ValueError(f"{text!r} is no number of seconds from 1 to {_LONGEST:.0f}")
    return seconds


def switch(text: str) -> bool:
    """Yes or no (ValueError: neither)."""
    word = text.lower()
    if word not in _YES | _NO:
        raise ValueError(f"{text!r} is neither yes nor no")
    return word in _YES
