"""Sentences people act on, each held against runs by a rule fixed before them."""
