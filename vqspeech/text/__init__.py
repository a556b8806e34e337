"""Translation with discrete latents (Roy, Vaswani, Neelakantan and Parmar 2018, arXiv 1805.11063).

It builds on the trainer, the quantisers and the reports of speech; nothing in speech knows of it.
"""
