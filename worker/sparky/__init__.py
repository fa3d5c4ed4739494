"""Sparky, the execution backend of a multi-tenant trading service."""

from importlib.metadata import version

__version__ = version("sparky")
