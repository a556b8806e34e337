"""Measures: pure functions of arrays, each with its equation or source. A new measure is one module here."""
