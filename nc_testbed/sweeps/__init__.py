"""Sweeps: many runs from one command, stopped and started at will, on any engine."""
