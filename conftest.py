"""Load what every test may use: software that must be there, running servers, the file of outcomes."""

import os

os.environ.pop("COLUMNS", None)  # pytest-xdist hands its own terminal's width down; output is the same with and without

pytest_plugins = ("tests.helpers.needs", "tests.helpers.outcomes", "tests.helpers.running")
