"""Sentences people make decisions on, each held against runs by a rule fixed before them."""
