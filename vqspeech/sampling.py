"""Sample speech: codes from a prior or an n-gram, with or without a prompt, and their waveforms."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from vqspeech import audio, world
from vqspeech.data.units import read_units, require_same_codes
from vqspeech.errors import AudioError, ConfigError
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE

CodeSource = LatentPrior | KneserNey | None
"""What codes are drawn from; None for a model with one code."""
RANDOM = "random"
"""Instead of the name of a voice: a random one for each sample."""


def load_source(
    model: VQVAE, prior: str | os.PathLike | None = None, ngram: int | None = None, units: str | None = None
) -> CodeSource:
    """Return a prior, or the n-gram of a units file.

    Args:
        model: The model that decodes the codes.
        prior: Checkpoint of a prior.
        ngram: Instead, the order of an n-gram.
        units: Units file that it is fitted to.

    Raises:
        CheckpointError: The prior cannot be read.
        ConfigError: Neither is given, or `ngram` without `units`.
        UnitsError: The codes are not those of the model.
    """
    if prior:
        found = LatentPrior.from_pretrained(os.fspath(prior))
        require_same_codes(model.units, found.units, "the model")
        return found
    if ngram:
        if not units:
            raise ConfigError("--ngram needs the units to fit it to; name a units file with --units")
        given = read_units(units)
        require_same_codes(model.units, given.description, "the model")
        return KneserNey.of(given, ngram)
    if model.quantizer.size > 1:
        raise ConfigError("no source of codes; name a --prior (train one: vqspeech prior), or an --ngram")
    return None


def encode_prompt(model: VQVAE, path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the waveform `(samples,)` of a recording that is to be continued, and its codes `(codes,)`.

    Raises:
        AudioError: It cannot be read, or is shorter than a code.
    """
    wave = audio.read_waveform(path)
    if len(wave) < model.hop:
        raise AudioError(
            f"{path}: {1000 * len(wave) / audio.RATE:.1f} ms are shorter than a code, "
            f"{1000 / model.rate:.1f} ms; use a longer prompt"
        )
    # Whole codes only: the last one would be padded with silence, and the sample would continue from a pause.
    return wave, model.encode(wave[: len(wave) // model.hop * model.hop])


def choose_voices(model: VQVAE, source: CodeSource, n: int, speaker: str = RANDOM, seed: int = 0) -> list[str]:
    """Return the voice of each of `n` samples; random ones are known to the prior, where it knows any of the model.

    Raises:
        SpeakerError: There is no such voice.
    """
    if speaker != RANDOM:
        model.speaker(speaker)
        return [speaker] * n
    known = source.speakers if isinstance(source, LatentPrior) else []
    choice = [name for name in model.speakers if name in known] or model.speakers
    return [choice[np.random.default_rng((seed, i, 1)).integers(len(choice))] for i in range(n)]


def sample_codes(
    source: CodeSource,
    voices: Sequence[str],
    steps: int,
    prompt: np.ndarray | None = None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """Return codes drawn for each voice, after those of the prompt: int64 `(voices, prompt + steps)`."""
    options = {"temperature": temperature, "top_p": top_p, "seed": seed, "prompt": prompt}
    if isinstance(source, LatentPrior):
        return source.sample(steps, [voice if voice in source.speakers else None for voice in voices], **options)
    if source is not None:
        return source.sample(steps, len(voices), **options)
    return np.zeros((len(voices), steps + (0 if prompt is None else len(prompt))), dtype=np.int64)


def decode_samples(
    model: VQVAE,
    codes: np.ndarray,
    voices: Sequence[str],
    wave: np.ndarray | None = None,
    prompt: np.ndarray | None = None,
    seed: int = 0,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the speech of samples in parts, as `VQVAE.decode_parts`.

    A decoder that is conditioned on pitch gets that of the prompt, then a falling one, because the codes contain none.

    Args:
        model: The model.
        codes: Their codes `(samples, codes)`.
        voices: The voice of each.
        wave: The recording that they continue, `(time,)`.
        prompt: Its codes.
        seed: Of a decoder that samples: the same codes twice are two samples.
    """
    pitches = [_make_pitch(model, codes.shape[1], voice, wave, prompt) for voice in voices]
    seeds = np.random.default_rng(seed).integers(2**31, size=len(codes)).tolist()
    return model.decode_parts(list(codes), voices, pitches, seed=seeds)


def _make_pitch(
    model: VQVAE, codes: int, voice: str, wave: np.ndarray | None, prompt: np.ndarray | None
) -> np.ndarray | None:
    """Return the pitch of a sample: that of the prompt in the range of the voice, then a falling one."""
    if not model.decoder.uses_pitch:
        return None
    known = 0 if prompt is None else world.count_frames(len(prompt) * model.hop)
    falling = model.make_declination_contour(world.count_frames(codes * model.hop) - known, voice)
    if wave is None:
        return falling
    return np.concatenate([model.move_pitch(world.extract_log_f0(wave), voice)[:known], falling])
