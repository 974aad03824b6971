"""The part of Studio that has no screen: supervision, gateway, state, command line."""

__version__ = "0.1.0"
