"""Evaluations: what a score command computes, from models and folders of speech to rows of figures."""
