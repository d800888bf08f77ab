"""Every recorded configuration directory: the same messages, the same success or failure, the same settings.

Messages that are ours alone are left out of the comparison; what is printed is compared in `test_show_config`.
"""

from pathlib import Path

import pytest

from desired.conf.parser import parse
from desired.conf.tree import Block
from desired.config import Config, ConfigRefused, RuleKind, Settings, load_config
from desired.options import GRAMMAR, Section
from observers.snapshot import TextFile
from tests.oracle.spec import SPEC, spec_path

MAIN = "/etc/multipath.conf"
CASES = sorted(path.name for path in (SPEC / "conf").glob("*")) or ["01-empty"]


def files_of(case: Path) -> tuple[TextFile, ...]:
    """The main file, then the drop-ins as the reference picks and sorts them."""
    texts = [(MAIN, case / "multipath.conf")]
    drop_ins = (path for path in (case / "conf.d").glob("*") if path.name.endswith(".conf"))
    texts += [(f"/etc/multipath/conf.d/{path.name}", path) for path in sorted(drop_ins, key=collated)]
    return tuple(TextFile(name, path.read_text(errors="surrogateescape")) for name, path in texts)


def collated(path: Path) -> str:
    return path.name.lstrip(".").lower()


def loaded(case: str) -> tuple[Config | None, list[str]]:
    try:
        config = load_config(files_of(spec_path("conf", case)))
    except ConfigRefused as refused:
        return None, [message.text for message in refused.messages if not message.ours]
    return config, [message.text for message in config.messages if not message.ours]


@pytest.mark.parametrize("case", CASES)
def test_the_messages_are_those_of_the_reference(case: str) -> None:
    expected = spec_path("conf", case, "expected.stderr").read_text().splitlines()
    assert loaded(case)[1] == expected


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_refused_where_the_reference_fails(case: str) -> None:
    code = spec_path("conf", case, "expected.rc").read_text().strip()
    assert (loaded(case)[0] is None) == (code != "0")


def printed_tree(case: str) -> Block:
    """The configuration that the reference printed, read by our own parser."""
    text = spec_path("conf", case, "expected.stdout").read_text()
    parsed = parse(TextFile("printed", text))
    assert not parsed.fatal
    return parsed.tree


def texts_of(block: Block) -> dict[str, str]:
    return {item.option.key: item.text for item in block.settings()}


def written(settings: Settings, section: Section) -> dict[str, str]:
    """What we hold, as the printer of a configuration would write it."""
    return {keyword: GRAMMAR[section][keyword].write(resolved.value) for keyword, resolved in settings.items()}


PRINTED_OTHERWISE = {
    "uid_attrs": "printed without the quotes that its blanks need, so only its first word can be read again",
    "max_fds": "printed as max when it is as much as the machine allows",
    "uid": "printed in octal, but read as decimal: what we write means the same when it is read again",
    "gid": "as uid",
}


def comparable(settings: dict[str, str]) -> dict[str, str]:
    return {keyword: text for keyword, text in settings.items() if keyword not in PRINTED_OTHERWISE}


@pytest.mark.parametrize("case", CASES)
def test_the_device_table_is_the_one_that_the_reference_prints(case: str) -> None:
    config, _ = loaded(case)
    if config is None:
        return
    (root,) = printed_tree(case).blocks(Section.DEVICES)
    ours = []
    for entry in config.devices:
        names = {"vendor": entry.vendor, "product": entry.product}
        revision = {} if entry.revision is None else {"revision": entry.revision}
        ours.append(names | revision | written(entry.settings, Section.DEVICE))
    assert ours == [texts_of(block) for block in root.blocks(Section.DEVICE)]


@pytest.mark.parametrize("case", CASES)
def test_the_settings_of_defaults_are_those_that_the_reference_prints(case: str) -> None:
    config, _ = loaded(case)
    if config is None:
        return
    (block,) = printed_tree(case).blocks(Section.DEFAULTS)
    built_in = {
        keyword: option.write(option.default)
        for keyword, option in GRAMMAR[Section.DEFAULTS].items()
        if option.default is not None
    }
    ours = built_in | written(config.defaults, Section.DEFAULTS)
    assert comparable(ours) == comparable(texts_of(block))


@pytest.mark.parametrize("case", CASES)
def test_the_other_sections_are_those_that_the_reference_prints(case: str) -> None:
    config, _ = loaded(case)
    if config is None:
        return
    tree = printed_tree(case)
    (overrides,) = tree.blocks(Section.OVERRIDES)
    assert written(config.overrides, Section.OVERRIDES) == texts_of(overrides)
    assert [{"type": entry.protocol} | written(entry.settings, Section.PROTOCOL) for entry in config.protocols] == [
        texts_of(block) for block in overrides.blocks(Section.PROTOCOL)
    ]
    blocks = [block for root in tree.blocks(Section.MULTIPATHS) for block in root.blocks(Section.MULTIPATH)]
    ours = [{"wwid": wwid} | written(entry.settings, Section.MULTIPATH) for wwid, entry in config.multipaths.items()]
    assert [comparable(entry) for entry in ours] == [comparable(texts_of(block)) for block in blocks]


@pytest.mark.parametrize("case", CASES)
def test_the_rules_are_those_that_the_reference_prints(case: str) -> None:
    config, _ = loaded(case)
    if config is None:
        return
    tree = printed_tree(case)
    for section, device, rules in (
        (Section.BLACKLIST, Section.BLACKLIST_DEVICE, config.blacklist),
        (Section.EXCEPTIONS, Section.EXCEPTIONS_DEVICE, config.exceptions),
    ):
        (block,) = tree.blocks(section)
        printed = sorted((item.option.keyword, item.text) for item in block.settings())
        assert sorted((rule.kind.value, rule.text) for rule in rules if rule.kind is not RuleKind.DEVICE) == printed
        # The reference prints no braces between a rule with a vendor only and the next, so flat words are compared.
        flat = [text for each in block.blocks(device) for text in texts_of(each).values()]
        ours = [rule for rule in rules if rule.kind is RuleKind.DEVICE]
        assert [part.text for rule in ours for part in (rule.vendor, rule.product) if part] == flat
