"""Manual pages out of the tables that the programs are made of: keywords, options, commands.

In: a directory. Out: pages below it. What a table knows is never written here a second time; the sentences beside it
are. `mpathctl.8` is written by hand.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from controller import __version__
from controller.cli.multipath_arguments import OPTIONS as MULTIPATH_OPTIONS
from controller.protocol.grammar import HELP_PAGE
from deploy.man.meanings import KEYWORDS, SECTIONS
from desired.options import GRAMMAR, NOTHING, OPTIONS, Option, Section

DATE = "2026-11-21"
_SYSTEM = "System Administration"


def escaped(text: str) -> str:
    """Text that troff prints as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{text}" if text.startswith(".") else text


def _page(name: str, section: int, summary: str, body: Iterable[str]) -> str:
    head = [
        f'.TH {name.upper()} {section} "{DATE}" "mpathctl {__version__}" "{_SYSTEM}"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(summary)}",
    ]
    return "\n".join([*head, *body]) + "\n"


def _list(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in rows:
        yield from (".TP", f".B {escaped(term)}", escaped(text))


def _see(*names: str) -> Iterator[str]:
    yield ".SH SEE ALSO"
    for number, name in enumerate(names, 1):
        page, _, section = name.rpartition(".")
        yield f".BR {escaped(page)} ({section})" + ("," if number < len(names) else "")


# ---- programs


def multipath_page() -> str:
    """multipath(8)."""
    body = [
        ".SH SYNOPSIS", ".B multipath", "[options] [device]",
        ".SH DESCRIPTION",
        "Makes, shows and removes multipath maps, once.",
        "What a running daemon would not know of is left to it: reloads of all maps, and removals.",
        ".PP",
        escaped("A device is a map's name, WWID or node, or a path's node (/dev/sda) or number (8:0)."),
        ".SH OPTIONS", *_list(MULTIPATH_OPTIONS),
        ".SH EXIT STATUS", *_list((("0", "Done; or the answer is yes."), ("1", "An error; or the answer is no."))),
        *_see("multipathd.8", "multipath.conf.5", "mpathctl.8"),
    ]  # fmt: skip
    return _page("multipath", 8, "multipath maps, once", body)


_DAEMON_OPTIONS = (
    ("-d", "Stay in the foreground, and write the log to standard error, with times; to the journal where that leads."),
    ("-s", "Write the log to standard error, without times; to the journal where that leads."),
    ("-v level", "How much to tell, from 0 to 4, instead of what is configured."),
    ("-k[command]", "Be a client: send the command; without one, read commands from standard input."),
    ("-B", "Give no map a name that is not in the bindings file, and leave that as it is."),
    ("-n, -w", "Accepted, and without effect."),
)


_DAEMON_VARIABLES = (
    ("MULTIPATH_SOCKET_NAME", "Another socket: a path, or an abstract name after @."),
    (
        "MPATHCTL_TEXTFILE",
        "Write metrics to this file, an absolute path that ends in .prom, every 15 seconds, for node_exporter.",
    ),
    (
        "MPATHCTL_APPLY_CONFIG_CHANGES",
        "yes: put a changed configuration in force without being asked to. Default: no, it is told what it would do.",
    ),
    (
        "MPATHCTL_MD_INTERVAL",
        "Ask a failed member of an md array of level multipath every so many seconds, from 1 to 86400. Default: 15.",
    ),
)


def multipathd_page() -> str:
    """multipathd(8)."""
    commands = [line.strip() for line in HELP_PAGE.splitlines()[2:]]
    body = [
        ".SH SYNOPSIS", ".nf", ".B multipathd \\fR[\\fB\\-d\\fR] [\\fB\\-s\\fR] [\\fB\\-v\\fR \\fIlevel\\fR]",
        ".B multipathd \\fIcommand\\fR ...", ".fi",
        ".SH DESCRIPTION",
        "The daemon watches over multipath maps: it checks their paths, fails and reinstates them, switches groups,",
        "and makes and changes maps as disks come and go.",
        "Its configuration is read at its start and at",
        ".BR reconfigure .",
        "It gives the kernel the same tables as multipathd of multipath\\-tools, and answers the same commands.",
        "Paths that come back are registered for persistent reservations as the map's other paths are.",
        ".PP",
        "With a command it is a client of the daemon that runs.",
        ".SH OPTIONS", *_list(_DAEMON_OPTIONS),
        ".SH COMMANDS",
        "Words may be cut off while they stay unique.",
        "Only root may do more than list.",
        ".PP", ".nf", *map(escaped, commands), ".fi",
        ".SH SIGNALS",
        *_list((("SIGHUP", "Read the configuration again."), ("SIGUSR1", "Write what the last cycles did to a file."),
                ("SIGTERM, SIGINT", "End. Maps stay."))),
        ".SH EXIT STATUS",
        *_list((("0", "The daemon ended as it was asked to; the command was done."),
                ("1", "An error; the daemon said no, or nothing."))),
        ".SH ENVIRONMENT",
        "Variables are read once, at the start, and a value that can't be used ends it.",
        "The service takes them from",
        ".IR /etc/default/mpathctl .",
        *_list(_DAEMON_VARIABLES),
        ".SH FILES",
        *_list((("/run/multipathd.pid", "Its process id; locked while it runs."),
                ("/run/multipathd.socket", "Its socket; another one is abstract."))),
        *_see("multipathc.8", "multipath.8", "mpathctl.8", "multipath.conf.5"),
    ]  # fmt: skip
    return _page("multipathd", 8, "multipath daemon", body)


def multipathc_page() -> str:
    """multipathc(8)."""
    body = [
        ".SH SYNOPSIS", ".B multipathc", "[\\fItimeout\\fR]",
        ".SH DESCRIPTION",
        "Reads commands from standard input, gives them to the daemon, and prints its replies.",
        ".B quit",
        "or the end of the input ends it.",
        "The timeout is in milliseconds; 0 waits for ever.",
        "The commands are those of",
        ".BR multipathd (8).",
        *_see("multipathd.8", "mpathctl.8"),
    ]  # fmt: skip
    return _page("multipathc", 8, "conversation with the multipath daemon", body)


# ---- the configuration


def _default(option: Option[Any]) -> str:
    if option.ignored is not None:
        what = "" if option.ignored == NOTHING else f": {option.ignored} is used"
        return f"This keyword has no effect any more{what}."
    if option.default is None:
        return "Not set by default." if option.layers else ""
    others = ", ".join(f"{option.write(value)} ({bus})" for bus, value in option.bus_defaults.items())
    default = option.write(option.default) or "empty"
    return f"Default: {default}; {others}." if others else f"Default: {default}."


def _inert(option: Option[Any]) -> str:
    if option.inert is None:
        return ""
    return f"No effect here, it is always as with {option.write(option.inert.value)}: {option.inert.why}."


def _places(options: Iterable[Option[Any]]) -> str:
    sections = [section for option in options for section in option.sections]
    return "In: " + ", ".join(dict.fromkeys(str(section) for section in sections)) + "."


def _keyword(keyword: str) -> str:
    rows = [option for option in OPTIONS if option.keyword == keyword and option.opens is None]
    first = rows[0]
    sentences = [KEYWORDS.get(keyword, "")]
    if first.ignored is None:
        sentences += [f"Value: {first.kind.expected}."]
    return " ".join(filter(None, [*sentences, _default(first), _places(rows), _inert(first)]))


def configuration_page() -> str:
    """multipath.conf(5)."""
    keywords = dict.fromkeys(option.keyword for option in OPTIONS if option.opens is None)
    roots = ((name, SECTIONS[name]) for name in GRAMMAR[Section.ROOT])
    body = [
        ".SH DESCRIPTION",
        ".I /etc/multipath.conf",
        "and then the files of",
        ".I /etc/multipath/conf.d",
        "whose names end in .conf, by name, say which disks get a multipath map and what the maps are like.",
        "A later setting wins over an earlier one of the same section.",
        ".PP",
        "A line has a keyword and its value; a value with blanks stands in double quotes.",
        "A section begins with its keyword and { on one line and ends with } on a line.",
        "# and ! begin a comment.",
        ".PP", ".nf", *map(escaped, ("defaults {", "    find_multipaths on", "}")), ".fi",
        ".PP",
        "Of the sections that say something of a property the first of these counts: multipaths, overrides, devices,",
        "the built\\-in table, defaults.",
        ".B mpathctl explain",
        "tells where a value comes from,",
        ".B mpathctl check\\-config",
        "what is wrong with a file, and",
        ".B mpathctl preview",
        "what a change would do.",
        ".SH SECTIONS", *_list(roots),
        ".SH KEYWORDS", *_list((keyword, _keyword(keyword)) for keyword in keywords),
        *_see("mpathctl.8", "multipathd.8", "multipath.8"),
    ]  # fmt: skip
    return _page("multipath.conf", 5, "configuration of multipath maps", body)


PAGES = {
    "man5/multipath.conf.5": configuration_page,
    "man8/multipath.8": multipath_page,
    "man8/multipathc.8": multipathc_page,
    "man8/multipathd.8": multipathd_page,
}


def write(directory: Path) -> None:
    """The pages, below a directory."""
    for name, page in PAGES.items():
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page())
        place.chmod(0o644)
