"""Corpora: each module has `prepare(corpus, ...)`, which gives the data directory and the account of what was found."""
