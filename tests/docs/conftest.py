"""Small projects of a few documents, so that each check is seen to find what it is for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.docs_model import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write documents (path -> text) into an empty project and return its root."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/")
            path = path.with_name(f"{path.name}.md")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """A copy of the sources that the documents are rendered from."""
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/mission.yaml", "docs/guide.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path
