"""Sentence pairs, pieces of words, batches of them."""
