"""Dialogues with devices, driven by answers that a test has written down."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from observers.asking import Answer, Dialogue, Question, converse

F = TypeVar("F")


@dataclass
class Script:
    """Answers one after the other, the last one for good; a number is an errno. `asked`: the questions."""

    answers: list[Answer | int]
    asked: list[Question] = field(default_factory=list)

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, int) and not isinstance(found, bool):
            raise OSError(found, os.strerror(found))
        return found


def driven(dialogue: Dialogue[F], answers: Iterable[Answer | int]) -> tuple[F, list[Question]]:
    """What the dialogue found, and what it asked."""
    script = Script(list(answers))
    return converse(dialogue, script), script.asked


def found(dialogue: Dialogue[F], *answers: Answer | int) -> F:
    """What the dialogue found."""
    return driven(dialogue, answers)[0]


def answering(dialogue: Dialogue[F], answer: Callable[[Question], Answer]) -> F:
    """What the dialogue found when a function answers."""
    return converse(dialogue, answer)
