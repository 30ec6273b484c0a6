"""A Chromium, a window of it, and console twins that are ended after the test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from tests.twins.console_pages import Console


@pytest.fixture(scope="module")
def chromium(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    started: list[Console] = []

    def begin(*options: str) -> Console:
        started.append(Console(tmp_path, *options))
        return started[-1]

    yield begin
    for console in started:
        console.end()


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1360, "height": 860})
    context.set_default_timeout(8000)
    yield context
    context.close()
