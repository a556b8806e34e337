"""Studies of ways to train a codebook: each a grid of runs over seeds, with tables, findings and pictures."""
