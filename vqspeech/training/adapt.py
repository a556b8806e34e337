"""Adaptation of a trained model to a new voice from a few minutes of recordings.

First the speaker vector is trained, then biases of the voice in every layer of the decoder (`models.voice`). Encoder,
codebook and the other voices stay as they are. `fit_voice` trains the vector alone, for a voice in a file of its own.
"""

import itertools
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqspeech import audio, loudness
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.data.dump import Shards, write_shards
from vqspeech.data.tables import is_id
from vqspeech.data.windows import SpeechBatch
from vqspeech.errors import AudioError, ConfigError, SpeakerError, VqspeechError
from vqspeech.files import temporary_folder
from vqspeech.jobs import Skipped
from vqspeech.models.conditioning import condition
from vqspeech.models.decoders import SourceFilter, WorldDecoder
from vqspeech.models.voice import add_voice
from vqspeech.models.vqvae import VQVAE
from vqspeech.pitch import pitch_statistics
from vqspeech.progress import Work
from vqspeech.voices import Voice

LONGEST_NAME = 100
"""Bytes of the name of a voice, at most."""
SHORTEST = 10.0
"""Least length of the recordings of a voice (s)."""
PART = 15.0
"""Length of the parts that longer recordings are cut into (s)."""
HELD_OUT = 6
"""One part in this many is held out."""
EVERY, PATIENCE = 25, 4
"""Steps between evaluations, and evaluations without improvement after which a stage ends."""
RATES = (5e-2, 2e-2)
"""Learning rates (Adam) of the speaker vector and of the biases."""


@dataclass(frozen=True)
class AdaptedVoice:
    """A model with the new voice.

    Attributes:
        model: The model, with the new voice as its last.
        start_voice: The voice that the new one is initialised from: a known one, or that of its recordings.
        losses: Held-out losses of the decoder: of the initial voice, of the new vector, and with the new biases.
        train_seconds: Speech to learn from (s).
        dev_seconds: Held-out speech (s).
        steps: Steps taken.
        speed: Seconds of speech per second of training.
    """

    model: VQVAE
    start_voice: str
    losses: Sequence[float]
    train_seconds: float
    dev_seconds: float
    steps: int
    speed: float


def check_voice_name(name: str) -> None:
    """Raise `SpeakerError` where `name` is no valid name of a voice."""
    if not is_id(name):
        raise SpeakerError(f"{name!r} is no name of a voice; use one without blanks and slashes")
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise SpeakerError(f"the name of a voice becomes part of file names; use at most {LONGEST_NAME} bytes")


def cut_recordings(name: str, paths: Sequence[Path], skipped: Skipped) -> DataDir:
    """Cut the recordings of a voice into utterances of at most `PART` seconds.

    Args:
        name: Name of the voice.
        paths: The recordings.
        skipped: Receives the files that cannot be read.

    Raises:
        AudioError: There are fewer than `SHORTEST` seconds.
        SpeakerError: `name` is no valid name.
    """
    check_voice_name(name)
    lengths: dict[Path, float] = {}
    for path in paths:
        try:
            lengths[path] = sum(map(len, audio.read_audible_blocks(path))) / audio.RATE
        except VqspeechError as error:
            skipped.add(str(path), error)
    total = sum(lengths.values())
    if total < SHORTEST:
        raise AudioError(
            f"{len(lengths)} recordings of {total:.1f} s in all are too short to learn a voice from; "
            f"give at least {SHORTEST:g} s, better two minutes"
        )
    part = min(PART, total / HELD_OUT)
    utterances = []
    for i, (path, seconds) in enumerate(lengths.items()):
        ends = np.linspace(0, seconds, math.ceil(seconds / part) + 1).round(3).tolist()
        for j, (start, end) in enumerate(itertools.pairwise(ends)):
            last = None if end == ends[-1] else end
            utterances.append(Utterance(f"{name}-{i:04d}-{j:04d}", name, str(path), start, last))
    return DataDir(utterances)


def adapt_voice(model: VQVAE, data: DataDir, steps: int = 400, seed: int = 0) -> AdaptedVoice:
    """Train a new voice of a model.

    Each stage keeps the parameters with the smallest held-out loss.

    Args:
        model: The model.
        data: Utterances of one speaker; one in `HELD_OUT` is held out.
        steps: Steps at most.
        seed: Of the windows.

    Raises:
        SpeakerError: The model has a voice of that name.
        ShardError: No recording can be used.
    """
    [name] = data.speakers
    if name in model.speakers:
        raise SpeakerError(f"the model has a voice '{name}' already; choose another --name")
    with _write_parts(data) as (train, test):
        return _Adaptation(model, name, train, test, seed).result(steps)


def check_fits(model: VQVAE) -> None:
    """Raise `ConfigError` where the vectors of a model's voices cannot be trained by `fit_voice`."""
    if not isinstance(model.decoder, SourceFilter) or model.decoder.causal:
        raise ConfigError("vectors are trained for a model that takes voices from recordings and is not live; use one")


def fit_voice(
    model: VQVAE, voice: Voice, data: DataDir, steps: int = 200, seed: int = 0
) -> tuple[Voice, Sequence[float]]:
    """Train the vector of a voice of recordings; the model stays as it is.

    The vector with the smallest held-out loss is kept.

    Args:
        model: The model.
        voice: The voice, as the model made it of recordings.
        data: Utterances of its speaker; one in `HELD_OUT` is held out.
        steps: Steps at most.
        seed: Of the windows.

    Returns:
        The voice, and the held-out loss before and after.

    Raises:
        ConfigError: The model takes no voices from recordings, or is a live one.
        ShardError: No recording can be used.
    """
    check_fits(model)
    with _write_parts(data) as (train, test):
        return _Adaptation(model, voice.name, train, test, seed).fit_vector(voice, steps)


@contextmanager
def _write_parts(data: DataDir) -> Iterator[list[Shards]]:
    """Yield shards of the utterances to learn from, and of those that are held out."""
    held = {utterance.id for utterance in list(data)[HELD_OUT - 1 :: HELD_OUT]}
    parts = ([one.id for one in data if one.id not in held], held)
    with temporary_folder(Path(tempfile.gettempdir()) / "vqspeech-adapt") as folder:
        yield [
            write_shards(data.subset(utterances=part), folder / str(i), with_world=True)[0]
            for i, part in enumerate(parts)
        ]


class _Adaptation:
    def __init__(self, model: VQVAE, name: str, train: Shards, test: Shards, seed: int):
        self.train, self.test, self.seed = train, test, seed
        # A WaveNet is slow on long windows; the fast decoders need more context than a syllable.
        fast = isinstance(model.decoder, WorldDecoder | SourceFilter)
        self.size, self.seconds = (8, 1.28) if fast else (4, 0.64)
        recorded = isinstance(model.decoder, SourceFilter)
        self.model = add_voice(model, name, None if recorded else model.speakers[0])
        self.windows, held = (self.model.windows(dump, self.seconds) for dump in (train, test))
        self.held = self._coded(held.even(min(64, math.ceil(test.seconds / self.seconds))))
        if recorded:
            voice = model.make_voice([loudness.to_float(train.samples(i)) for i in range(len(train))], name)
            self.start_voice = "its recordings"
            self.model.requires_grad_(False)
            self.model.decoder.speaker.weight[-1, : len(voice.vector)] = torch.from_numpy(voice.vector)
        else:
            some = self._coded(self.windows.even(self.size))
            with torch.no_grad():
                self.start_voice = min(model.speakers, key=lambda known: float(self._loss(*some, model.speaker(known))))
            self.model = add_voice(model, name, self.start_voice).requires_grad_(False)
        logs = [dump.world(i)[:, 0].astype(np.float32) for dump in (train, test) for i in range(len(dump))]
        self.model.pitch[-1] = torch.tensor(pitch_statistics(np.concatenate(logs)))

    def result(self, steps: int) -> AdaptedVoice:
        """Train in two stages, each of half of the steps at most."""
        torch.manual_seed(self.seed)  # of the warping
        vectors, weights = self.model.decoder.speaker.weight, self.model.decoder.voice_weights
        width = vectors.shape[1] - 1  # without the 1 that marks the voice
        losses, done, started = [self.held_out_loss()], 0, time.perf_counter()
        with Work("adapt", steps, "step") as work:
            for learned in ([vectors], [vectors, *weights]):
                done += self._stage(learned, width, steps // 2, done, work)
                losses.append(self.held_out_loss())
        speed = done * self.size * self.seconds / (time.perf_counter() - started)
        return AdaptedVoice(self.model, self.start_voice, losses, self.train.seconds, self.test.seconds, done, speed)

    def fit_vector(self, voice: Voice, steps: int) -> tuple[Voice, Sequence[float]]:
        """Train the vector alone; return the voice with it, and the held-out loss before and after."""
        torch.manual_seed(self.seed)  # of the warping
        vectors, width = self.model.decoder.speaker.weight, len(voice.vector)
        losses = [self.held_out_loss()]
        with Work("voice", steps, "step") as work:
            self._stage([vectors], width, steps, 0, work)
        losses.append(self.held_out_loss())
        return replace(voice, vector=vectors[-1, :width].cpu().numpy().copy()), losses

    def _stage(self, learned: Sequence[Tensor], width: int, steps: int, first: int, work: Work) -> int:
        """Train the part of some weights that belongs to the new voice; return the number of steps.

        Args:
            learned: The speaker vectors, and weights that the mark of the new voice is multiplied by.
            width: How many numbers of the new vector are trained.
            steps: Steps at most.
            first: Number of the first step.
            work: The progress.
        """
        masks = [torch.zeros_like(tensor) for tensor in learned]
        masks[0][-1, :width] = 1
        for mask in masks[1:]:
            mask[:, -1] = 1  # the weights that the mark is multiplied by
        rates = zip(learned, [RATES[0]] + [RATES[1]] * (len(learned) - 1), strict=True)
        optimizer = torch.optim.Adam([{"params": [tensor.requires_grad_()], "lr": rate} for tensor, rate in rates])
        best, kept, worse, step = self.held_out_loss(), [tensor.detach().clone() for tensor in learned], 0, 0
        while step < steps and worse < PATIENCE:
            loss = self._loss(*self._coded(self.windows.random(self.size, self.seed, first + step), warped=True), -1)
            gradients = torch.autograd.grad(loss, learned)
            for tensor, gradient, mask in zip(learned, gradients, masks, strict=True):
                tensor.grad = gradient * mask
            optimizer.step()
            step += 1
            work.update()
            if step % EVERY == 0 or step == steps:
                found = self.held_out_loss()
                work.note = f"loss {float(loss.detach()):.3f}, held out {found:.3f}"
                if found < best:
                    best, kept, worse = found, [tensor.detach().clone() for tensor in learned], 0
                else:
                    worse += 1
        for tensor, value in zip(learned, kept, strict=True):
            tensor.requires_grad_(False).copy_(value).grad = None
        return step

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Return the decoder's loss on held-out windows in the new voice."""
        return float(self._loss(*self.held, -1))

    @torch.no_grad()
    def _coded(self, batch: SpeechBatch, warped: bool = False) -> tuple[Tensor, SpeechBatch]:
        """Return the code vectors `(batch, dimension, codes)` of a batch, and the batch, on the model's device.

        Args:
            batch: The batch.
            warped: Simulate other vocal tracts, where the front end was trained so: the voice will be used with codes
                of other speakers, and codes of its own speaker carry some of the voice.
        """
        batch = batch.to(self.model.device)
        self.model.frontend.train(warped)
        latents, mask = self.model.latents(batch)
        self.model.frontend.eval()
        decoder = self.model.decoder
        if not isinstance(decoder, SourceFilter) or decoder.conditioning == "codes":
            return self.model.quantizer(latents, mask).vectors * mask[:, None], batch
        rows = latents.transpose(1, 2).flatten(0, 1)  # (batch * codes, dimension)
        vectors = condition(self.model.quantizer, rows, decoder.conditioning, decoder.temperature)
        return vectors.view(len(latents), -1, vectors.shape[1]).transpose(1, 2) * mask[:, None], batch

    def _loss(self, vectors: Tensor, batch: SpeechBatch, voice: int) -> Tensor:
        speakers = torch.full_like(batch.speakers, voice % len(self.model.speakers))
        return torch.stack([*self.model.decoder.loss(vectors, speakers, batch).values()]).sum()
