"""A frozen value with some of its fields changed, which is the very same value where nothing differs.

In: a dataclass's value and fields. Out: a value. Nearly always a check finds what the one before it found; making many
wide values that equal the ones that are there would be most of what it costs, and so would comparing them later.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")


def changed(value: T, **fields: Any) -> T:
    """As `dataclasses.replace`."""
    for name, wanted in fields.items():
        known = getattr(value, name)
        if known is not wanted and known != wanted:
            return replace(value, **fields)
    return value
