"""Any app at all: usher reads its user list from a CSV, and people carry the steps out by its guide."""

from __future__ import annotations

from typing import ClassVar

from usher.connectors.csv_folder import CsvConnector


class PersonConnector(CsvConnector):
    """An app that only people can change: it declares no write, so that every step becomes a task for a person."""

    app: ClassVar[str] = "person"
