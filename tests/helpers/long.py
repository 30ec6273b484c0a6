"""The long form of a test: more of the same, with LONG=yes, as `make faults` runs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")
LONG = os.environ.get("LONG") == "yes"


def long_or(short: Sequence[T], more: Sequence[T]) -> list[T]:
    """The cases that always run, and with LONG=yes the others too."""
    return [*short, *(more if LONG else ())]


def long_only() -> None:
    """Skip the test that calls this unless the long form was asked for; its short form is another test."""
    if not LONG:
        pytest.skip("long form: make faults, or LONG=yes")
