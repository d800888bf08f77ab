"""For all tests: how long one may take says nothing on a machine that others use, too; and the slowest come first."""

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SLOWEST = "test_storm.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that no worker is left with it at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("vm") is None:
        return 2
    return 0 if item.path.name == SLOWEST else 1
