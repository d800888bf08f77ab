"""For all tests: how long one may take says nothing on a machine that others use as well."""

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in the VM first: each takes long, and what is short fills the end, so that no worker idles."""
    items.sort(key=lambda item: item.get_closest_marker("vm") is None)
