"""Translations and models, measured."""
