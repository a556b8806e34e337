"""Training: the loop, what it measures on held-out speech, and what it logs."""
