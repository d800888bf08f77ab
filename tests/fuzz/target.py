"""What a target of the fuzzing is, and how long a reader may take."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

LONGEST_INPUT = 64 * 1024
"""Bytes."""
BOUND = 1.0
"""Seconds of processor time that no reader may take for such an input."""

SPLIT = b"\n%%\n"
"""Parts the files of a configuration, and an expression from the text in which it is looked for."""


class TookTooLong(Exception):
    """A reader was slower than the bound. `reader`: which one."""

    def __init__(self, reader: str, seconds: float) -> None:
        super().__init__(f"{reader} took {seconds:.1f} s")
        self.reader = reader


@contextlib.contextmanager
def bounded(reader: str) -> Iterator[None]:
    """Raises `TookTooLong` where what is done inside takes longer than the bound."""
    began = time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - began
        if spent > BOUND:
            raise TookTooLong(reader, spent)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader. `words`: pieces of its language, for whoever makes inputs; `seeds`: inputs that it takes."""

    examine: Callable[[bytes], None]
    words: tuple[bytes, ...]
    seeds: tuple[bytes, ...]


def text_of(data: bytes) -> str:
    """As the observers decode files and the kernel's texts."""
    return data.decode("utf-8", "surrogateescape")


def words_of(*texts: str | Iterable[str]) -> tuple[bytes, ...]:
    """Texts as words, each once."""
    flat = [word for text in texts for word in ([text] if isinstance(text, str) else text)]
    return tuple(dict.fromkeys(word.encode() for word in flat))
