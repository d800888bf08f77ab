"""The `features` string of a map: adding and taking out words, and bringing it into line with the keywords beside it.

In: the configured string, which begins with the count of the words that follow, and the values of `no_path_retry`,
`retain_attached_hw_handler` and the queue mode. Out: the string that stands in the table. What `no_path_retry` says
decides whether `queue_if_no_path` is in the table, so that word never stays in the configured string. Pure; must never
reorder words, and keeps the blanks between those that stay.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from observers.errors import MpathError

QUEUE = "queue_if_no_path"
RETAIN = "retain_attached_hw_handler"
NONE = "0"
"""A features string without words."""


class FeatureSyntax(MpathError):
    """A features string without its count, or a word with blanks around it."""


class QueueMode(StrEnum):
    """How dm-multipath queues: per request (`mq` is the same), or per bio."""

    REQUEST = "rq"
    BIO = "bio"


_MODES = {"rq": QueueMode.REQUEST, "mq": QueueMode.REQUEST, "bio": QueueMode.BIO}
_COUNT = re.compile(r"\s*(\d+)(\s+|$)", re.ASCII)
_QUEUE_MODE = re.compile(r"(?<=\s)queue_mode\s+\S+")


def _checked(words: str) -> str:
    if words != words.strip():
        raise FeatureSyntax(f"feature {words!r} begins or ends with a blank")
    return words


def _split(features: str) -> tuple[int, str]:
    """The count, and the text after it."""
    match = _COUNT.match(features)
    if match is None:
        raise FeatureSyntax(f"features {features!r} do not begin with the count of their words")
    return int(match[1]), features[match.end() :]


def _find(text: str, words: str) -> re.Match[str] | None:
    """Where `words` stand in `text` as whole words."""
    return re.search(rf"(?<!\S){re.escape(words)}(?!\S)", text)


def add_feature(features: str | None, words: str | None) -> str:
    """`features` with `words` at the end; unchanged when they are there already. `FeatureSyntax` when either is bad."""
    if not words:
        return features or NONE
    count = len(_checked(words).split())
    if features is None:
        return f"{count} {words}"
    if _find(features, words):
        return features
    before, text = _split(features)
    if before == 0:
        return f"{count} {words}"
    return f"{before + count} {text} {words}"


def remove_feature(features: str, words: str | None) -> str:
    """`features` without `words`; unchanged when they are not there. `FeatureSyntax` when either is bad."""
    if not words:
        return features
    count = len(_checked(words).split())
    before, text = _split(features)
    match = _find(text, words)
    if match is None:
        return features
    if before <= count:
        return NONE
    rest = text[: match.start()] + text[match.end() :].lstrip()
    return f"{before - count} {rest.rstrip()}"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """`no_path_retry`: None undefined, else `fail`, `queue` or a count. `retain`: None undefined. `notes`: to tell."""

    features: str
    no_path_retry: str | None
    retain: bool | None
    notes: tuple[str, ...] = ()


def reconcile(features: str, no_path_retry: str | None, *, retain: bool | None) -> Reconciled:
    """Move the two words that have keywords of their own out of `features`; a keyword that is set wins over them."""
    notes = []
    if _find(features, QUEUE):
        features = remove_feature(features, QUEUE)
        if no_path_retry is None:
            no_path_retry = "queue"
            notes.append(f'features "{QUEUE}" is deprecated: taken as no_path_retry queue')
        elif no_path_retry != "queue":
            notes.append(f'features "{QUEUE}" is ignored: no_path_retry is {no_path_retry}')
    if _find(features, RETAIN):
        features = remove_feature(features, RETAIN)
        if retain is None:
            retain = True
        notes.append(f'features "{RETAIN}" is deprecated' + ("" if retain else f": ignored, {RETAIN} is no"))
    return Reconciled(features, no_path_retry, retain, tuple(notes))


def reconcile_queue_mode(features: str, mode: QueueMode | None) -> tuple[str, QueueMode | None]:
    """Bring `queue_mode` in `features` into line with a mode that is given from elsewhere (None: take it from there).

    `bio` is written out because it is not dm-multipath's default; `rq` is the default and is not added.
    """
    match = _QUEUE_MODE.search(features)
    if match is not None:
        stated = _MODES.get(match[0].split()[1])
        if stated is not None and mode in (None, stated):
            return features, stated
        features = remove_feature(features, match[0])
    if mode is QueueMode.BIO:
        features = add_feature(features, "queue_mode bio")
    return features, mode


def queue_mode_of(features: tuple[str, ...]) -> QueueMode:
    """The queue mode of a loaded table; the kernel refuses to change it while the device exists."""
    return QueueMode.BIO if ("queue_mode", "bio") in pairwise(features) else QueueMode.REQUEST


def feature_words(features: str) -> tuple[str, ...]:
    """The words after the count."""
    return tuple(_split(features)[1].split())
