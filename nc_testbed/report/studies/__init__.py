"""Figures of the named studies: one file each, ``figure(arms, ...)``."""
