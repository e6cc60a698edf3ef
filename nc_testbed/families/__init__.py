"""Exponential families: law, estimator, data and exact laws of each in one file."""
