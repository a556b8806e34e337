"""Verbs of `vqspeech text`, a module each."""
