"""Priors over the codes of video: from some frames, or none, and what is done, to frames that were never seen.

A network is a `VideoNetwork`; which one a prior has is named in its configuration.
"""

from vqspeech.vision.models.video.prior import NETWORKS, VideoPrior

__all__ = ["NETWORKS", "VideoPrior"]
