"""Judging speech, codes and models: `measures` of arrays, `evaluations` of models, `reports` of their figures."""
