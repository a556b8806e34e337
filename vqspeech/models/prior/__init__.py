"""Priors over codes, to sample codes from nothing or from a prompt.

A network has `network(before, speakers)`, the logits of each code given those before it, `sample(…)`, which draws
codes one by one, and `receptive_field`; the configuration names the network of a prior.
"""

from vqspeech.models.prior.latent import NETWORKS, LatentPrior

__all__ = ["NETWORKS", "LatentPrior"]
