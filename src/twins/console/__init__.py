"""A stand-in for the admin console of a forecasting app that has pages for people and no API."""
