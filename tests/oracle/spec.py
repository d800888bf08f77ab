"""Where the recorded answers of the reference implementation are: beside the project, never in it."""

import json
from pathlib import Path
from typing import Any

import pytest

SPEC = Path(__file__).resolve().parents[2].parent / "shared" / "spec"


def spec_path(*parts: str) -> Path:
    """A file or folder of the recorded answers; skips the test where they are not there."""
    path = SPEC.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"recorded answers of the reference implementation are not on this machine: {'/'.join(parts)}")
    return path


def spec_json(*parts: str) -> Any:
    """The content of a JSON file of the recorded answers."""
    return json.loads(spec_path(*parts).read_text())
