"""Studies that compare ways to train: each a grid of runs over seeds, its tables, findings and pictures."""
