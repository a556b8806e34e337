"""A voice more for a model that has learned others."""

from copy import deepcopy
from functools import reduce
from operator import getitem

import torch
from torch import Tensor

from vqspeech.models.vqvae import VQVAE


@torch.no_grad()
def with_voice(model: VQVAE, name: str, like: str) -> VQVAE:
    """A copy of a model with one voice more, which sounds like the voice `like` as yet.

    Speaker vectors get one number more: 1 for the new voice, 0 for all others. So the weights that multiply it are a
    bias of the new voice alone in every layer; they begin as 0, and the other voices stay what they are, whatever is
    learned there. Raises `SpeakerError` where there is no voice `like`.
    """
    old = model.decoder
    config = deepcopy(model.config)
    *groups, option = old.voice_option
    reduce(getitem, groups, config["decoder"])[option] = old.speaker.embedding_dim + 1
    made = VQVAE(config, [*model.speakers, name], model.genders)
    state = model.state_dict()
    made.load_state_dict({key: _padded(state[key], value) for key, value in made.state_dict().items()})
    vectors = made.decoder.speaker.weight
    vectors[-1] = vectors[model.speaker(like)]
    vectors[-1, -1] = 1
    made.pitch[-1] = float("nan")
    return made.to(model.device).eval()


def _padded(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor in the first corner of one of the shape `like`, the rest 0."""
    padded = torch.zeros_like(like)
    padded[tuple(slice(size) for size in tensor.shape)] = tensor
    return padded
