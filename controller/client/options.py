"""A command line split into options and words, as getopt(3) of the C library does it. Pure.

The `getopt` module of Python loads the message catalogues, which takes longer than a whole client command, and knows no
optional arguments.
"""

from collections.abc import Sequence


class BadOption(Exception):
    """An option that is not known, or that lacks its argument."""

    def __init__(self, letter: str, *, lacks_argument: bool) -> None:
        super().__init__(letter)
        self.letter, self.lacks_argument = letter, lacks_argument


Options = list[tuple[str, str | None]]
"""Letters in the order in which they were given, each with its argument: None where it has none."""


def parse(arguments: Sequence[str], letters: str) -> tuple[Options, list[str]]:
    """The options and the other words of a command line; options may follow words, and `--` ends them.

    `letters`: as for getopt(3); a letter with `:` has an argument, with `::` only if that is in the same word.
    """
    options: Options = []
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return options, words + rest
        if word.startswith("-") and word != "-":
            _cluster(word[1:], rest, letters, options)
        else:
            words.append(word)
    return options, words


def _cluster(text: str, rest: list[str], letters: str, options: Options) -> None:
    """Take the options of one word, and the next word where the last of them needs it."""
    while text:
        letter, text = text[0], text[1:]
        at = -1 if letter == ":" else letters.find(letter)
        if at < 0:
            raise BadOption(letter, lacks_argument=False)
        if letters[at + 1 : at + 3] == "::":
            options.append((letter, text or None))
            return
        if letters[at + 1 : at + 2] == ":":
            if not text and not rest:
                raise BadOption(letter, lacks_argument=True)
            options.append((letter, text or rest.pop(0)))
            return
        options.append((letter, None))
