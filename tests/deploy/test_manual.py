"""The manual pages and completion, made from the tables."""

import shutil
import subprocess
from pathlib import Path

import pytest

from controller.cli.main import build_parser
from controller.protocol.grammar import Command, parse
from deploy.completion import generate as completion
from deploy.man import generate as manual
from deploy.man.meanings import KEYWORDS, SECTIONS
from desired.options import GRAMMAR, OPTIONS, Section

BY_HAND = Path(__file__).resolve().parents[2] / "deploy/man/mpathctl.8"


def test_every_keyword_in_force_has_its_sentence_and_no_sentence_is_left_over() -> None:
    assert set(KEYWORDS) == {row.keyword for row in OPTIONS if row.opens is None and row.ignored is None}
    assert set(SECTIONS) == set(GRAMMAR[Section.ROOT])


def test_a_keyword_is_told_with_its_values_its_default_and_its_places() -> None:
    page = manual.configuration_page()
    assert "Value: yes or no. Default: no. In: defaults, devices/device, overrides, multipaths/multipath." in page
    assert "Default: service\\-time 0." in page
    assert ".B no_path_retry\n" in page
    assert "no effect any more" in page


@pytest.mark.parametrize(
    ("keyword", "sentence"),
    [
        ("uid_attribute", "Default: ID_SERIAL; ID_WWN (nvme), ID_UID (ccw). In: "),
        ("prio_args", "Default: empty. In: "),
        ("getuid_callout", "This keyword has no effect any more. In: "),
        ("pg_timeout", "This keyword has no effect any more. In: "),
        ("bindings_file", "no effect any more: /etc/multipath/bindings is used. In: "),
    ],
)
def test_a_default_is_told_whatever_it_is_like(keyword: str, sentence: str) -> None:
    assert sentence in manual._keyword(keyword)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("reassign_maps", "no"), ("log_checker_err", "once"), ("force_sync", "no"), ("strict_timing", "no")],
)
def test_a_keyword_that_nothing_depends_on_is_told_to_have_no_effect(keyword: str, value: str) -> None:
    assert f"No effect here, it is always as with {value}: " in manual._keyword(keyword)


def test_no_keyword_in_force_is_told_to_have_no_effect() -> None:
    assert "No effect" not in manual._keyword("no_path_retry")


@pytest.mark.parametrize("name", manual.PAGES)
def test_pages_refer_to_pages_that_there_are(name: str) -> None:
    known = {place.rpartition("/")[2] for place in manual.PAGES} | {BY_HAND.name}
    after = manual.PAGES[name]().partition(".SH SEE ALSO\n")[2]
    pages = [line.removeprefix(".BR ").rstrip(",").replace(" (", ".").rstrip(")") for line in after.splitlines()]
    assert pages
    assert set(pages) <= known


def test_the_manual_says_under_which_name_the_daemon_is_found() -> None:
    run = " ".join(BY_HAND.read_text().partition("\n.B run\n")[2].partition("\n.RS\n")[0].split())
    assert "its process and its messages in the journal are called .BR mpathctl ," in run


def test_a_page_names_every_option_and_command() -> None:
    page = manual.multipathd_page()
    assert "list|show maps|multipaths topology" in page
    assert "unsetprhold map|multipath $map" in page
    assert ".B \\-R number\n" in manual.multipath_page()


@pytest.mark.parametrize("word", [".TH x", "'x", "a-b", "a\\b", "~^`"])
def test_text_is_printed_as_it_is(word: str) -> None:
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here")
    page = manual._page("x", 8, "y", [".SH TEXT", manual.escaped(word)])
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-cbou"], input=page, capture_output=True, text=True, check=True
    )
    assert word in done.stdout


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
@pytest.mark.parametrize("name", [*manual.PAGES, "mpathctl.8"])
def test_man_takes_the_pages_without_a_warning(name: str) -> None:
    text = BY_HAND.read_text() if name == "mpathctl.8" else manual.PAGES[name]()
    done = subprocess.run(
        ["man", "--warnings", "-l", "-"], input=text, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "MANPAGER": "cat", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# ---- completion


def bash(code: str) -> list[str]:
    done = subprocess.run(["bash", "-c", f"{completion.bash()}\n{code}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("before", "word"),
    [("", "show"), ("show", "multipaths"), ("list maps raw", "format"), ("switch map x", "group"), ("-v3", "del")],
)
def test_bash_is_offered_the_words_that_may_come(before: str, word: str) -> None:
    assert word in bash(f"_multipathd_words {before}")


def test_bash_is_offered_no_word_that_makes_no_command() -> None:
    assert bash("_multipathd_words reconfigure") == ["all"]
    assert bash("_multipathd_words show daemon") == []


def test_what_is_offered_leads_to_commands() -> None:
    offered = completion.following()
    for word in offered["list maps"]:
        parameter = " x" if word == "format" else ""
        assert f"list maps {word}" in offered or isinstance(parse(f"list maps {word}{parameter}"), Command)


def test_bash_completes_in_place() -> None:
    code = 'COMP_WORDS=(mpathctl show top); COMP_CWORD=2; _complete_mpathctl; echo "${COMPREPLY[@]}"'
    assert bash(code) == ["topology"]
    assert set(bash("_mpathctl_words")) >= {"reconcile", "snapshot", "--sandbox"}
    assert "-C" in bash("_multipath_words")


def test_every_command_of_mpathctl_is_offered() -> None:
    commands = completion._commands(build_parser())
    assert set(commands) <= set(bash("_mpathctl_words"))


TYPED_IN_ZSH = """\
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -d $1/dump; echo R''EADY"
while zpty -r shell text && [[ $text != *READY* ]]; do :; done
zpty -w -n shell "$2"$'\\t'
while zpty -r shell text '*'"$3"'*' && [[ $text != *"$3"* ]]; do :; done
[[ $text == *"$3"* ]]
"""
"""In a terminal of its own: what is typed, and what that becomes."""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        ("mpathctl show topo", "mpathctl show topology"),
        ("mpathctl snaps", "mpathctl snapshot"),
        ("multipathd show wild", "multipathd show wildcards"),
    ],
)
def test_zsh_completes_what_is_typed(tmp_path: Path, typed: str, whole: str) -> None:
    (tmp_path / "_mpathctl").write_text(completion.zsh())
    words = ["zsh", "-f", "-c", TYPED_IN_ZSH, "zsh", str(tmp_path), typed, whole]
    subprocess.run(words, check=True, timeout=120, stdout=subprocess.DEVNULL)
