"""Priors over the codes of video, conditioned on earlier frames (or none) and on actions.

The network of a prior is a `VideoNetwork`, named in its configuration.
"""

from vqspeech.vision.models.video.prior import NETWORKS, VideoPrior

__all__ = ["NETWORKS", "VideoPrior"]
