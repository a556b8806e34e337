"""Priors over codes: from nothing, or a prompt, to codes that a decoder can say.

A network has `network(before, speakers)`, the logits of each code given those ahead of it, `sample(…)`, which draws
codes one by one, and `receptive_field`; which one a prior has is named in its configuration.
"""

from vqspeech.models.prior.latent import NETWORKS, LatentPrior

__all__ = ["NETWORKS", "LatentPrior"]
