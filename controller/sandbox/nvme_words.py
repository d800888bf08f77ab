"""NVMe subsystems in scenario files: the section `nvme`, read and printed.

In: lines, or a subsystem. Out: a subsystem, or lines. Pure.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from controller.sandbox.events import sectors
from controller.sandbox.nvme_san import ANA_STATES, NvmeController, NvmeNamespace, NvmeSubsystem, NvmeTransport
from controller.sandbox.words import Line

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMES = {"uuid": _UUID, "nguid": re.compile(r"[0-9a-f]{32}"), "eui64": re.compile(r"[0-9a-f]{16}")}
_LONGEST = {"model": 40, "serial": 20, "firmware": 8}


def section(
    line: Line, others: tuple[NvmeSubsystem, ...], put: Callable[[NvmeSubsystem], None]
) -> Mapping[str, Callable[[Line], None]]:
    """The keywords below `nvme NAME`; `put` is handed the subsystem as far as it was read."""
    draft = NvmeSubsystem(name=line.take("the subsystem's NVMe qualified name"))
    if any(each.name == draft.name for each in others):
        raise line.error("a subsystem of that name is there already")
    taken = {controller.number for each in others for controller in each.controllers}

    def change(**values: object) -> None:
        nonlocal draft
        draft = replace(draft, **values)  # type: ignore[arg-type]
        put(draft)

    def controller(line: Line) -> None:
        known = taken | {each.number for each in draft.controllers}
        change(controllers=(*draft.controllers, _controller(line, known)))

    def namespace(line: Line) -> None:
        change(namespaces=(*draft.namespaces, _namespace(line, {each.id for each in draft.namespaces})))

    put(draft)
    return {
        **{name: _text(name, longest, change) for name, longest in _LONGEST.items()},
        "ana": lambda line: change(ana=line.take_as("on or off", _on)),
        "controller": controller,
        "namespace": namespace,
    }


def _text(name: str, longest: int, change: Callable[..., None]) -> Callable[[Line], None]:
    def convert(text: str) -> str:
        if not (text.isascii() and text.isprintable() and text == text.strip() and 0 < len(text) <= longest):
            raise ValueError(text)
        return text

    return lambda line: change(**{name: line.take_as(f"text of at most {longest} signs", convert)})


def _on(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(text)
    return text == "on"


def _controller(line: Line, known: set[int]) -> NvmeController:
    """`controller NUMBER TRANSPORT ADDRESS [GROUP STATE ...]`."""
    number = line.number("the controller's number")
    if number in known:
        raise line.error(f"controller {number} is there already")
    transport = line.choice("a transport", NvmeTransport)
    address, states = line.take("its address"), dict[int, str]()
    while line.left:
        group = line.number("the number of an ANA group")
        states[group] = line.take_as(f"one of {', '.join(ANA_STATES)}", _ana_state)
    return NvmeController(number=number, transport=transport, address=address, states=tuple(states.items()))


def _ana_state(text: str) -> str:
    if text not in ANA_STATES:
        raise ValueError(text)
    return text


def _namespace(line: Line, known: set[int]) -> NvmeNamespace:
    """`namespace ID size SIZE [uuid UUID] [nguid DIGITS] [eui64 DIGITS] [group NUMBER] [read-only]`."""
    draft = NvmeNamespace(id=line.number("the namespace's number"), size=0)
    if draft.id in known or not draft.id:
        raise line.error(f"namespace {draft.id} is there already, or can't be one")
    while line.left:
        word = line.take("keyword")
        if word == "size":
            draft = replace(draft, size=line.take_as("a size such as 20G", sectors))
        elif word == "group":
            draft = replace(draft, group=line.number("the number of an ANA group"))
        elif word == "read-only":
            draft = replace(draft, read_only=True)
        elif word in _NAMES:
            draft = replace(draft, **{word: line.take_as(f"a {word} in small letters", _named(_NAMES[word]))})  # type: ignore[arg-type]
        else:
            hint = f"size, {', '.join(_NAMES)}, group, read-only"
            raise line.error(f"{word!r} is not a keyword of a namespace", hint=hint)
    if not draft.size:
        raise line.error("a namespace needs a size")
    return draft


def _named(form: re.Pattern[str]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(text)
        return text

    return convert


def printed(subsystem: NvmeSubsystem, word: Callable[[str], str]) -> Iterator[str]:
    """The lines of a subsystem; `word`: puts quotes around what needs them."""
    default = NvmeSubsystem(name=subsystem.name)
    yield f"nvme {word(subsystem.name)}"
    for name in _LONGEST:
        if getattr(subsystem, name) != getattr(default, name):
            yield f"    {name} {word(getattr(subsystem, name))}"
    if not subsystem.ana:
        yield "    ana off"
    for controller in subsystem.controllers:
        states = "".join(f" {group} {state}" for group, state in controller.states)
        yield f"    controller {controller.number} {controller.transport} {word(controller.address)}{states}"
    for namespace in subsystem.namespaces:
        yield "    " + _printed(namespace)


def _printed(namespace: NvmeNamespace) -> str:
    names = "".join(f" {name} {getattr(namespace, name)}" for name in _NAMES if getattr(namespace, name))
    group = f" group {namespace.group}" if namespace.group != NvmeNamespace(id=1, size=1).group else ""
    read_only = " read-only" if namespace.read_only else ""
    return f"namespace {namespace.id} size {namespace.size}s{names}{group}{read_only}"
