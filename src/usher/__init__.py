"""usher: observe every app of a company, plan, have people approve, carry out, prove, keep evidence."""

__version__ = "0.1.0"
