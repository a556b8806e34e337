"""Corpora: each module has `prepare(corpus, ...)`, which returns the data directory and an account of the corpus."""
