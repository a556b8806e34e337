"""Voices beside those of a model: one that is to be learned, or those of recordings."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path

import torch
from torch import Tensor

from vqspeech.errors import SpeakerError, VqspeechError
from vqspeech.models.vqvae import VQVAE, VoiceName
from vqspeech.voices import Voice, voice_path


def find_voice(model: VQVAE, name: str) -> VoiceName:
    """Return a voice of the model, or one that the user has made of recordings, by its name.

    Raises `SpeakerError` where there is none, or it is one of another model."""
    if name not in model.speakers:
        try:
            path = voice_path(name)
        except VqspeechError:
            path = Path()
        if path.is_file():
            voice = Voice.load(path)
            model.check_voice(voice)
            return voice
    model.speaker(name)
    return name


@torch.no_grad()
def add_recorded_voices(model: VQVAE, voices: Sequence[Voice], genders: Mapping[str, str] | None = None) -> VQVAE:
    """Return a copy of a model that knows voices of recordings by their names, beside those that it has.

    `genders` ("f" or "m") are by name, as far as known. Raises `SpeakerError` where it has one of that name, or a voice
    is of another model."""
    for voice in voices:
        model.check_voice(voice)
    names = [*model.speakers, *(voice.name for voice in voices)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SpeakerError(f"two voices of the name '{twice}'; choose another for one of them")
    made = type(model)(deepcopy(model.config), names, {**model.genders, **(genders or {})})
    state = model.state_dict()
    made.load_state_dict({key: _padded(state[key], value) for key, value in made.state_dict().items()})
    for row, voice in enumerate(voices, len(model.speakers)):
        made.decoder.speaker.weight[row, : len(voice.vector)] = torch.from_numpy(voice.vector)
        made.pitch[row] = torch.tensor(voice.pitch)
    return made.to(model.device).eval()


@torch.no_grad()
def add_voice(model: VQVAE, name: str, like: str | None) -> VQVAE:
    """A copy of a model with one voice more, which sounds like the voice `like` as yet; None: like none, all zeros.

    Speaker vectors get one number more: 1 for the new voice, 0 for all others. So the weights that multiply it are a
    bias of the new voice alone in every layer; they begin as 0, and the other voices stay what they are, whatever is
    learned there. Raises `SpeakerError` where there is no voice `like`.
    """
    old = model.decoder
    config = deepcopy(model.config)
    *groups, option = old.voice_option
    group = reduce(getitem, groups, config["decoder"])
    group[option] = group.get(option, 0) + 1
    made = type(model)(config, [*model.speakers, name], model.genders)
    state = model.state_dict()
    made.load_state_dict({key: _padded(state[key], value) for key, value in made.state_dict().items()})
    vectors = made.decoder.speaker.weight
    if like is not None:
        vectors[-1] = vectors[model.speaker(like)]
    vectors[-1, -1] = 1
    made.pitch[-1] = float("nan")
    return made.to(model.device).eval()


def _padded(tensor: Tensor, like: Tensor) -> Tensor:
    """A tensor in the first corner of one of the shape `like`, the rest 0."""
    padded = torch.zeros_like(like)
    padded[tuple(slice(size) for size in tensor.shape)] = tensor
    return padded
