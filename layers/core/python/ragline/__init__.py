"""Ragline: a serverless document pipeline, from a dropped file to a cited passage."""

__version__ = "0.1.0"
