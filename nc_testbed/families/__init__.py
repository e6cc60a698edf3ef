"""Exponential families and their companions: parameters, rows, sufficient statistics, distances."""
