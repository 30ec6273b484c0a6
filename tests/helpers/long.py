"""The long form of a test: more of the same, with LONG=yes, as `make faults` runs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def long_or(short: Sequence[T], more: Sequence[T]) -> list[T]:
    """The cases that always run, and with LONG=yes the others too."""
    return [*short, *(more if os.environ.get("LONG") == "yes" else ())]
