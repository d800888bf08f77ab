"""`mpathctl replay`: whether this program decides as the one did whose flight recorder wrote a file.

In: the parsed command line, which names the file. Out: what is otherwise, as text or JSON; the exit status: 0 all is
decided the same, 2 something is not, 1 error. It must never look at this host.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from actuators.steps import Step
from controller import __version__
from controller.cli import terminal
from controller.cli.recording_reader import Recording, read_recording
from controller.reconcile.explain import step_text
from controller.reconcile.plan import MapPlan
from controller.runtime.forms import form
from controller.runtime.replaying import MapDifference, Replayed, replay
from observers.errors import InputError


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.add_argument("file", metavar="FILE", help="as `mpathctl dump recorder` has it written")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_replay)


def _replay(options: argparse.Namespace) -> int:
    recording = read_recording(_text(options.file), origin=options.file)
    replayed = list(replay(recording.entries))
    sys.stdout.write(_json(recording, replayed) if options.json else "".join(_lines(recording, replayed)))
    return terminal.DONE if all(each.same for each in replayed) else terminal.PENDING


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not a flight recorder's file: byte {error.start} is not UTF-8") from error


# ---- text


def _lines(recording: Recording, replayed: Sequence[Replayed]) -> Iterator[str]:
    different = [each for each in replayed if not each.same]
    reworded = sum(each.same and bool(each.maps) for each in replayed)
    count = _number(len(replayed), "cycle")
    yield f"{count}, recorded by version {recording.program}, decided again by {__version__}\n"
    for each in different:
        yield from _cycle_lines(each)
    if reworded:
        yield f"{_number(reworded, 'cycle')}: decided the same, for reasons in other words\n"
    yield f"{len(different)} of them are decided otherwise\n" if different else "all are decided the same\n"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _cycle_lines(replayed: Replayed) -> Iterator[str]:
    cycle = replayed.cycle
    at = datetime.fromtimestamp(cycle.snapshot.taken_at, UTC)
    yield f"cycle {cycle.number}, {at:%Y-%m-%d %H:%M:%S} UTC: decided otherwise\n"
    if replayed.error:
        yield f"  today nothing can be decided: {replayed.error}\n"
    if replayed.records is not None:
        yield "  records:\n"
        yield from _step_lines(cycle.plan.records, replayed.records)
    for each in replayed.maps:
        if not each.in_words_only:
            yield from _map_lines(each)


def _map_lines(difference: MapDifference) -> Iterator[str]:
    before, after = difference.recorded, difference.today
    named = before or after
    yield f"  {named.name if named else ''} ({difference.wwid}):\n"
    yield f"    recorded: {_gist(before)}\n    today:    {_gist(after)}\n"
    yield from _step_lines(before.steps if before else (), after.steps if after else ())


def _gist(plan: MapPlan | None) -> str:
    if plan is None:
        return "no plan"
    again = f", looks again at {plan.wake_at:.3f}" if plan.wake_at is not None else ""
    return f"{plan.action}: {'; '.join(plan.reasons)}{again}"


def _step_lines(before: Sequence[Step], after: Sequence[Step]) -> Iterator[str]:
    """What is done no more, and what is done only now."""
    for sign, steps, others in (("-", before, after), ("+", after, before)):
        for step in steps:
            if step not in others:
                yield f"    {sign} {step_text(step)}\n"
    if sorted(map(step_text, before)) == sorted(map(step_text, after)) and tuple(before) != tuple(after):
        yield "    the same words, but another order or other details: see --json\n"


# ---- JSON


def _json(recording: Recording, replayed: Sequence[Replayed]) -> str:
    document = {
        "format": "mpathctl-replay",
        "version": 1,
        "recorded_by": recording.program,
        "same": all(each.same for each in replayed),
        "cycles": [_cycle_form(each) for each in replayed],
    }
    return json.dumps(document, indent=2) + "\n"


def _cycle_form(replayed: Replayed) -> dict[str, Any]:
    cycle = replayed.cycle
    document: dict[str, Any] = {"cycle": cycle.number, "at": cycle.snapshot.taken_at, "same": replayed.same}
    if replayed.error:
        document["error"] = replayed.error
    if replayed.records is not None:
        document["records"] = {"recorded": form(cycle.plan.records), "today": form(replayed.records)}
    document["maps"] = [
        {"wwid": each.wwid, "same": each.in_words_only, "recorded": _plan(each.recorded), "today": _plan(each.today)}
        for each in replayed.maps
    ]
    return document


def _plan(plan: MapPlan | None) -> Any:
    return None if plan is None else form(plan)
