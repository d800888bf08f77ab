"""Completion for bash and zsh, out of the tables that the programs are made of.

In: a directory. Out: files below it. The words of the daemon's commands are those of its grammar, for `multipathd` and
for `mpathctl`; the other commands and the options of `mpathctl` are those of its own parser, the letters of `multipath`
and `multipathd` those of their tables.

Each program has a function that prints what may come after some words, one a line. What it prints is never evaluated:
names of maps and paths may come from a disk.
"""

import argparse
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from controller.cli.launch import DAEMON_OPTIONS
from controller.cli.main import build_parser
from controller.cli.multipath_arguments import LETTERS
from controller.protocol.grammar import KEYS, ROWS, Verb
from controller.sandbox.scenario import shipped_scenarios

PROGRAMS = ("mpathctl", "multipathd", "multipath", "multipathc")

_NAMES = {"path": "paths %d", "map": "maps %n"}
"""What may stand for a parameter: the daemon knows."""

_VERBOSITY = ("0", "1", "2", "3", "4")


def following(verbs: Iterable[Verb] = ROWS) -> dict[str, list[str]]:
    """What may come after each beginning of a command. A beginning is the keys' meanings, parameters left out."""
    found: dict[str, dict[str, None]] = {}
    for verb in verbs:
        for number in range(len(verb.keys)):
            words = [key.word for key in KEYS if key.means == verb.keys[number]]
            found.setdefault(" ".join(verb.keys[:number]), {}).update(dict.fromkeys(words))
    return {beginning: list(words) for beginning, words in found.items()}


def _print(words: Iterable[str]) -> str:
    """The shell's command that prints words, one a line."""
    listed = " ".join(shlex.quote(word) for word in words)
    return f"printf '%s\\n' {listed}" if listed else ":"


def _common_functions() -> Iterator[str]:
    yield "_mpath_names() {"
    yield "    # Arguments: paths or maps, and the letter of their names. Prints those that the daemon knows."
    yield "    local names"
    yield '    names=$(multipathd show "$1" raw format "$2" 2>/dev/null) || return 0'
    yield '    [ "$names" = ok ] || printf \'%s\\n\' "$names"'
    yield "}"
    yield ""
    yield "_mpath_fitting() {"
    yield "    # Argument: the beginning of a word. Input: what may come; an empty line stands for any word."
    yield "    # Prints what fits; options only if one is begun, or nothing else may come."
    yield '    local word plain="" dashed="" any=""'
    yield "    while IFS= read -r word; do"
    yield '        if [ -z "$word" ]; then any=yes; continue; fi'
    yield '        case "$word" in "$1"*) ;; *) continue ;; esac'
    yield '        case "$word" in'
    yield "            -*) dashed=\"$dashed$word\"$'\\n' ;;"
    yield "            *) plain=\"$plain$word\"$'\\n' ;;"
    yield "        esac"
    yield "    done"
    yield '    if [ -n "$any" ] && [ -z "$1" ]; then dashed=""; fi'
    yield "    printf '%s' \"${plain:-$dashed}\""
    yield "}"


# ---- multipathd


def _meanings() -> Iterator[str]:
    """The words that mean another one, as cases of a shell."""
    for means in dict.fromkeys(key.means for key in KEYS):
        words = [key.word for key in KEYS if key.means == means]
        if len(words) > 1:
            yield f"            {'|'.join(words)}) word={means} ;;"


def _parameters() -> str:
    return "|".join(dict.fromkeys(key.word for key in KEYS if key.takes))


def _daemon_function() -> Iterator[str]:
    """The function that offers the words of the daemon's language; both shells understand it."""
    yield "_multipathd_words() {"
    yield "    # Arguments: the words before the one that is completed. Prints what may come now."
    yield '    local word beginning="" waiting=""'
    yield '    for word in "$@"; do'
    yield '        if [ -n "$waiting" ]; then waiting=""; continue; fi'
    yield '        case "$word" in -v) waiting=$word; continue ;; -*|"") continue ;; esac'
    yield '        case "$word" in'
    yield from _meanings()
    yield "        esac"
    yield f'        case "$word" in {_parameters()}) waiting=$word ;; esac'
    yield '        beginning="${beginning:+$beginning }$word"'
    yield "    done"
    yield '    case "$waiting" in'
    yield f"        -v) {_print(_VERBOSITY)}; return ;;"
    for word, what in _NAMES.items():
        yield f"        {word}) _mpath_names {what}; return ;;"
    yield "        ?*) return ;;"
    yield "    esac"
    yield '    case "$beginning" in'
    letters = [f"-{letter}" for letter in DAEMON_OPTIONS if letter.isalpha()]
    for beginning, words in following().items():
        yield f'        "{beginning}") {_print([*words, *([] if beginning else letters)])} ;;'
    yield "    esac"
    yield "}"


# ---- mpathctl


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings if name.startswith("--")]  # noqa: SLF001


def _valued(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """The options that a value follows, and what it may be where only certain words may."""
    for action in parser._actions:  # noqa: SLF001
        if action.option_strings and action.nargs != 0:
            scenarios = shipped_scenarios() if action.dest == "sandbox" else ()
            for name in action.option_strings:
                yield name, [str(word) for word in action.choices or scenarios]


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 -- argparse has no public way to look at a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found |= action.choices
    return found


def _choices(parser: argparse.ArgumentParser) -> list[str]:
    """The fixed words that the first argument without an option may be."""
    return [
        str(word)
        for action in parser._actions  # noqa: SLF001
        if not action.option_strings and action.choices and not isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        for word in action.choices
    ]


def _takes_any(parser: argparse.ArgumentParser) -> bool:
    """Whether an argument may be any word, such as a file's name. Those of the daemon's commands are known."""
    places = [action for action in parser._actions if not action.option_strings]  # noqa: SLF001
    return any(not action.choices and action.dest != "words" for action in places)


def _walk(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, parser
    for name, each in _commands(parser).items():
        yield from _walk(each, f"{path} {name}".strip())


def _mpathctl_function() -> Iterator[str]:
    """The function that offers the words of `mpathctl`."""
    parsers = dict(_walk(build_parser(), ""))
    valued = {f"{path} {name}": words for path, each in parsers.items() for name, words in _valued(each)}
    yield "_mpathctl_words() {"
    yield "    # Arguments: the words before the one that is completed. Prints what may come now."
    yield '    local word beginning="" waiting=""'
    yield "    local -a spoken"
    yield "    spoken=()"
    yield '    for word in "$@"; do'
    yield '        if [ -n "$waiting" ]; then waiting=""; continue; fi'
    yield '        case "$beginning $word" in'
    yield f'            {"|".join(f"{chr(34)}{name}{chr(34)}" for name in valued)}) waiting="$beginning $word" ;;'
    yield '            *" -"*|*" ") ;;'
    for path in filter(None, parsers):
        yield f'            "{path if " " in path else f" {path}"}") beginning="{path}" ;;'
    yield '            *) spoken+=("$word") ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$waiting" in'
    yield from (f'        "{name}") {_print(words)}; return ;;' for name, words in valued.items() if words)
    yield "        ?*) return ;;"
    yield "    esac"
    yield '    case "$beginning" in'
    for path, each in parsers.items():
        yield f'        "{path}") {"; ".join(_offer(path, each))} ;;'
    yield "    esac"
    yield "}"


def _offer(path: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """The shell's commands that print what may come after a command of `mpathctl`."""
    choices = _choices(parser)
    if path in _DAEMON_WORDS:
        yield '_multipathd_words "$beginning" "${spoken[@]}"'
    elif choices:
        yield f"[ ${{#spoken[@]}} -gt 0 ] || {_print(choices)}"
    yield _print([*_commands(parser), *([""] if _takes_any(parser) else []), *_options(parser)])


_DAEMON_WORDS = frozenset(key.word for key in KEYS) - {"list", "show"}
"""Commands of `mpathctl` that are the daemon's."""


def _multipath_words() -> list[str]:
    return [f"-{letter}" for letter in LETTERS if letter.isalpha()]


def _functions() -> Iterator[str]:
    yield from _common_functions()
    yield ""
    yield from _daemon_function()
    yield ""
    yield from _mpathctl_function()
    yield ""
    yield "_multipath_words() {"
    yield f"    {_print(_multipath_words())}"
    yield f"    _mpath_names {_NAMES['map']}"
    yield "}"
    yield ""
    yield "_multipathc_words() {"
    yield "    # Its only argument is a number of milliseconds; 0: wait for ever."
    yield f"    [ $# -gt 0 ] || {_print(['0'])}"
    yield "}"


def bash() -> str:
    """The file for bash."""
    lines = [f"# Completion of {', '.join(PROGRAMS)} for bash. Made from the programs' tables.", *_functions()]
    for program in PROGRAMS:
        lines += [
            "",
            f"_complete_{program}() {{",
            '    local word before=("${COMP_WORDS[@]:1:COMP_CWORD-1}")',
            "    COMPREPLY=()",
            "    while IFS= read -r word; do",
            '        COMPREPLY+=("$(printf \'%q\' "$word")")',
            f'    done < <(_{program}_words "${{before[@]}}" | _mpath_fitting "${{COMP_WORDS[COMP_CWORD]}}")',
            "}",
            f"complete -o default -F _complete_{program} {program}",
        ]
    return "\n".join(lines) + "\n"


def zsh() -> str:
    """The file for zsh."""
    lines = [f"#compdef {' '.join(PROGRAMS)}", "# Made from the programs' tables.", "", *_functions()]
    lines += ["", 'local -a before=("${(@)words[2,CURRENT-1]}")', 'case "$service" in']
    for program in PROGRAMS:
        offered = f'"$(_{program}_words "${{before[@]}}" | _mpath_fitting "$PREFIX")"'
        lines.append(f"    {program}) compadd -- ${{(f){offered}}} ;;")
    return "\n".join([*lines, "esac"]) + "\n"


def write(directory: Path) -> None:
    """The files, below a directory such as /usr/share."""
    folder = directory / "bash-completion/completions"
    folder.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        (folder / program).write_text(bash())
    site = directory / "zsh/site-functions"
    site.mkdir(parents=True, exist_ok=True)
    (site / "_mpathctl").write_text(zsh())
