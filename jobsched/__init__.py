"""Jobsched: a job scheduler driven by curl."""

__version__ = "0.2.0"
