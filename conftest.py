"""Load what every test may use: software that must be there, running servers, the file of outcomes."""

pytest_plugins = ("tests.helpers.needs", "tests.helpers.outcomes", "tests.helpers.running")
