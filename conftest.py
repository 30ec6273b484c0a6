"""Load what every test may use: software that must be there, running servers, the file of outcomes."""

import os

from hypothesis import HealthCheck, settings

os.environ.pop("COLUMNS", None)  # pytest-xdist hands its own terminal's width down; output is the same with and without

# How fast a machine is says nothing of what is right, and a machine that is shared is slow at times.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

pytest_plugins = ("tests.helpers.needs", "tests.helpers.outcomes", "tests.helpers.running")
