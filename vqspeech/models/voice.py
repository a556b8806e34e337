"""Voices of a model by name, and those that are added to it: one that is to be trained, or those of recordings."""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqspeech.errors import SpeakerError, VqspeechError
from vqspeech.models.decoders import SourceFilter
from vqspeech.models.speakers import VoiceName
from vqspeech.models.vqvae import VQVAE
from vqspeech.voices import Voice, read_voices, voice_path


def find_voice(model: VQVAE, name: str) -> VoiceName:
    """Return a voice by its name: one of the model, or one that the user made of recordings.

    Raises:
        SpeakerError: There is none of that name, or it belongs to another model.
    """
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


def list_speakers(model: VQVAE) -> Iterator[dict[str, Any]]:
    """Yield name, gender and median F0 (Hz) of the voices of a model, then of those of the user that fit it."""
    for name, (median, _) in zip(model.speakers, model.pitch.tolist(), strict=True):
        pitch = None if math.isnan(median) else math.exp(median)
        yield {"name": name, "gender": model.genders.get(name), "median_hz": pitch, "yours": False}
    for voice in read_voices():
        if isinstance(voice, Voice) and isinstance(model.decoder, SourceFilter) and voice.model == model.voice_hash():
            pitch = None if math.isnan(voice.pitch[0]) else math.exp(voice.pitch[0])
            yield {"name": voice.name, "gender": None, "median_hz": pitch, "yours": True}


@torch.no_grad()
def add_recorded_voices(model: VQVAE, voices: Sequence[Voice], genders: Mapping[str, str] | None = None) -> VQVAE:
    """Return a copy of a model with voices of recordings added under their names.

    Args:
        model: The model.
        voices: The voices.
        genders: "f" or "m" by name, as far as known.

    Raises:
        SpeakerError: There are two voices of one name, or a voice belongs to another model.
    """
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
    """Return a copy of a model with one more voice, initialised to the voice `like`, or to zeros where that is None.

    Speaker vectors get one more number: 1 for the new voice, 0 for all others. The weights that multiply it are a bias
    of the new voice in every layer. They begin as 0, and training them leaves the other voices unchanged.

    Raises:
        SpeakerError: There is no voice `like`.
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
    """Return a tensor padded with zeros to the shape of `like`."""
    padded = torch.zeros_like(like)
    padded[tuple(slice(size) for size in tensor.shape)] = tensor
    return padded
