"""Completion for bash and zsh, out of the tables that the programs are made of.

In: a directory. Out: files below it. The words of the daemon's commands are those of its grammar, the commands and
options of `mpathctl` those of its own parser, the letters of `multipath` those of its table.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from controller.cli.main import build_parser
from controller.cli.multipath_arguments import LETTERS
from controller.protocol.grammar import KEYS, ROWS, Verb

_DAEMON_LETTERS = ["d", "s", "v", "k", "B", "n", "w"]

_NAMES = {
    "path": "$(multipathd show paths raw format %d 2>/dev/null)",
    "map": "$(multipathd show maps raw format %n 2>/dev/null)",
}
"""What may stand for a parameter: the daemon knows."""


def following(verbs: Iterable[Verb] = ROWS) -> dict[str, list[str]]:
    """What may come after each beginning of a command. A beginning is the keys' meanings, parameters left out."""
    found: dict[str, dict[str, None]] = {}
    for verb in verbs:
        for number in range(len(verb.keys)):
            words = [key.word for key in KEYS if key.means == verb.keys[number]]
            found.setdefault(" ".join(verb.keys[:number]), {}).update(dict.fromkeys(words))
    return {beginning: list(words) for beginning, words in found.items()}


def _meanings() -> Iterator[str]:
    """The words that mean another one, as cases of a shell."""
    for means in dict.fromkeys(key.means for key in KEYS):
        words = [key.word for key in KEYS if key.means == means]
        if len(words) > 1:
            yield f"        {'|'.join(words)}) word={means} ;;"


def _parameters() -> str:
    return "|".join(dict.fromkeys(key.word for key in KEYS if key.takes))


def _daemon_function() -> Iterator[str]:
    """The function that offers the words of the daemon's language; both shells understand it."""
    yield "_multipathd_words() {"
    yield "    # Arguments: the words before the one that is completed. Prints what may come now."
    yield '    local word beginning="" waiting=""'
    yield '    for word in "$@"; do'
    yield '        if [ -n "$waiting" ]; then waiting=""; continue; fi'
    yield '        case "$word" in -*) continue ;; esac'
    yield '        case "$word" in'
    yield from _meanings()
    yield "        esac"
    yield f'        case "$word" in {_parameters()}) waiting=$word ;; esac'
    yield '        beginning="${beginning:+$beginning }$word"'
    yield "    done"
    yield '    case "$waiting" in'
    for word, command in _NAMES.items():
        yield f'        {word}) echo "{command}"; return ;;'
    yield "        ?*) return ;;"
    yield "    esac"
    yield '    case "$beginning" in'
    for beginning, words in following().items():
        yield f'        "{beginning}") echo "{" ".join(words)}" ;;'
    yield "    esac"
    yield "}"


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings if name.startswith("--")]  # noqa: SLF001


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 -- argparse has no public way to look at a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found |= action.choices
    return found


def _mpathctl_function() -> Iterator[str]:
    """The function that offers the words of `mpathctl`."""
    parser = build_parser()
    yield "_mpathctl_words() {"
    yield "    # Arguments: the words before the one that is completed. Prints what may come now."
    yield '    local word beginning=""'
    yield '    for word in "$@"; do'
    yield '        case "$beginning $word" in'
    for path, _ in _walk(parser, ""):
        if path:
            yield f'            " {path}"|"{path}") beginning="{path}" ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$beginning" in'
    for path, each in _walk(parser, ""):
        words = [*_commands(each), *_choices(each), *_options(each)]
        yield f'        "{path}") echo "{" ".join(words)}" ;;'
    yield "    esac"
    yield "}"


def _walk(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, parser
    for name, each in _commands(parser).items():
        yield from _walk(each, f"{path} {name}".strip())


def _choices(parser: argparse.ArgumentParser) -> list[str]:
    """The fixed words that an argument without an option may be."""
    return [
        str(word)
        for action in parser._actions  # noqa: SLF001
        if not action.option_strings and action.choices and not isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        for word in action.choices
    ]


def _multipath_words() -> str:
    return " ".join(f"-{letter}" for letter in LETTERS if letter.isalpha())


def _functions() -> Iterator[str]:
    yield from _daemon_function()
    yield ""
    yield from _mpathctl_function()
    yield ""
    yield "_multipath_words() {"
    yield f'    echo "{_multipath_words()} {_NAMES["map"]}"'
    yield "}"


def bash() -> str:
    """The file for bash."""
    lines = [
        "# Completion of mpathctl, multipathd and multipath for bash. Made from the programs' tables.",
        *_functions(),
    ]
    for program in ("mpathctl", "multipathd", "multipath"):
        lines += [
            "",
            f"_complete_{program}() {{",
            '    local before=("${COMP_WORDS[@]:1:COMP_CWORD-1}")',
            f'    COMPREPLY=($(compgen -W "$(_{program}_words "${{before[@]}}")" -- "${{COMP_WORDS[COMP_CWORD]}}"))',
            "}",
            f"complete -o default -F _complete_{program} {program}",
        ]
    return "\n".join(lines) + "\n"


def zsh() -> str:
    """The file for zsh."""
    lines = ["#compdef mpathctl multipathd multipath", "# Made from the programs' tables.", "", *_functions()]
    lines += ["", 'local -a before=("${(@)words[2,CURRENT-1]}")', 'case "$service" in']
    for program in ("mpathctl", "multipathd", "multipath"):
        lines.append(f'    {program}) compadd -- ${{=$(_{program}_words "${{before[@]}}")}} ;;')
    return "\n".join([*lines, "esac"]) + "\n"


def write(directory: Path) -> None:
    """The files, below a directory such as /usr/share."""
    folder = directory / "bash-completion/completions"
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("mpathctl", "multipathd", "multipath"):
        (folder / program).write_text(bash())
    site = directory / "zsh/site-functions"
    site.mkdir(parents=True, exist_ok=True)
    (site / "_mpathctl").write_text(zsh())
