"""Recipes out of what people already have: pasted commands, systemd units, and the files of other tools.

Nothing is ever executed, no substitution is ever run, no secret is ever kept.
"""
