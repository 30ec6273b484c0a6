"""Carries steps out in an app's admin console, as a careful person would, where the app offers no API."""
