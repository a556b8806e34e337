"""Conversions between voices that a model has never heard: what is converted to whom, told by which recordings.

Each target speaker's recordings are split into references, from which the model makes the voice, and others, by which
its conversions are scored. Every source utterance goes to several targets, so that sources and targets vary by
themselves.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from vqspeech import audio, loudness, world
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError
from vqspeech.jobs import Skipped, attempt, run_jobs
from vqspeech.models.speakers import VoiceName
from vqspeech.models.vqvae import VQVAE
from vqspeech.voices import Voice

JUDGED = 3
"""Recordings of a target speaker that stay to be judged by, at least."""


@dataclass(frozen=True)
class Plan:
    """Who is converted to whom.

    Attributes:
        sources: The utterances to convert.
        targets: Target speakers by source utterance.
        told: By target speaker, the reference recordings, in order.
        judged: The other recordings of the targets.
    """

    sources: DataDir
    targets: Mapping[str, Sequence[str]]
    told: Mapping[str, Sequence[Utterance]]
    judged: DataDir


def plan_conversions(
    sources: DataDir, targets: DataDir, each: int, seconds: float, per_speaker: int = 2, seed: int = 0
) -> Plan:
    """Return who is converted to whom.

    Args:
        sources: The source speakers' utterances.
        targets: The target speakers' recordings, whose lengths are known.
        each: Targets of each source utterance.
        seconds: Of recordings that tell a voice, at most.
        per_speaker: Utterances of each source speaker.
        seed: Of the draw.

    Raises:
        CorpusError: No target speaker has `seconds` and `JUDGED` recordings more, or there are too few targets.
    """
    drawn = random.Random(seed)
    told: dict[str, list[Utterance]] = {}
    judged: list[Utterance] = []
    for speaker, recordings in targets.by_speaker.items():
        order = drawn.sample(recordings, len(recordings))
        total, count = 0.0, 0
        while count < len(order) and total < seconds:
            total, count = total + (order[count].seconds or 0.0), count + 1
        if total >= seconds and len(order) - count >= JUDGED:
            told[speaker] = order[:count]
            judged += order[count:]
    if len(told) <= each:
        raise CorpusError(
            f"{len(told)} target speakers have {seconds:g} s that tell their voice and {JUDGED} recordings more; at "
            f"least {each + 1} are needed: give more of --targets-data, or fewer seconds"
        )
    chosen = sources.subset(per_speaker=per_speaker)
    names = drawn.sample(sorted(told), len(told))
    goals, place = {}, 0
    for utterance in chosen:
        found: list[str] = []
        while len(found) < each:
            name = names[place % len(names)]
            place += 1
            if name != utterance.speaker and name not in found:
                found.append(name)
        goals[utterance.id] = found
    return Plan(chosen, goals, told, DataDir(judged))


def read_references(recordings: Sequence[Utterance], seconds: float) -> list[np.ndarray]:
    """Return the first `seconds` of recordings, one after the other, as waveforms."""
    waves, room = [], round(seconds * audio.RATE)
    for one in recordings:
        if room <= 0:
            break
        waves.append(audio.read_waveform(one.path, one.start, one.end)[:room])
        room -= len(waves[-1])
    return waves


def convert_plan(model: VQVAE, plan: Plan, seconds: float, folder: Path, skipped: Skipped) -> None:
    """Write the conversions of a plan to `folder`/TARGET/UTTERANCE.wav, each voice told by `seconds` of recordings."""
    voices: dict[str, VoiceName] = {}
    for name, some in plan.told.items():
        voice, error = attempt(partial(_tell, model, seconds=seconds), (name, some))
        if error is None:
            voices[name] = voice
        else:
            skipped.add(f"{folder.name} {name}", error)
    goals = {utterance: [name for name in names if name in voices] for utterance, names in plan.targets.items()}
    _write(model, plan, goals, voices, folder, skipped)


def _tell(model: VQVAE, target: tuple[str, Sequence[Utterance]], seconds: float) -> Voice:
    name, recordings = target
    return model.make_voice(read_references(recordings, seconds), name)


def convert_to_known_voices(model: VQVAE, plan: Plan, folder: Path, skipped: Skipped) -> bool:
    """Convert to those targets that are voices of the model by name, into `folder`.

    Returns:
        Whether there are any.
    """
    goals = {utterance: [name for name in names if name in model.speakers] for utterance, names in plan.targets.items()}
    _write(model, plan, goals, {}, folder, skipped)
    return any(goals.values())


def resynthesise_sources(model: VQVAE, plan: Plan, data: DataDir, folder: Path, skipped: Skipped) -> None:
    """Write the sources of a plan in their own voices, as the model resynthesises them, to `folder`/UTTERANCE.wav.

    The reference of a voice is up to ten other utterances of `data`.
    """

    def say(one: Utterance) -> None:
        others = [other for other in data.by_speaker[one.speaker] if other.id != one.id][:10]
        voice = model.make_voice(read_references(others, 60.0))
        audio.write(folder / f"{one.id}.wav", model.convert(audio.read_waveform(one.path, one.start, one.end), voice))

    _each(plan, say, "own voices", skipped)


def copy_synthesise_sources(plan: Plan, folder: Path, skipped: Skipped) -> None:
    """Write the sources of a plan through the WORLD vocoder and back, to `folder`/UTTERANCE.wav."""

    def copy(one: Utterance) -> None:
        source = loudness.normalise(audio.read_waveform(one.path, one.start, one.end))
        sound = world.synthesise(world.analyse(loudness.to_float(source.samples)))[: len(source.samples)]
        audio.write(folder / f"{one.id}.wav", sound / np.float32(source.gain))

    _each(plan, copy, "copy synthesis", skipped)


def _write(
    model: VQVAE,
    plan: Plan,
    goals: Mapping[str, Sequence[str]],
    voices: Mapping[str, VoiceName],
    folder: Path,
    skipped: Skipped,
) -> None:
    def say(one: Utterance) -> None:
        names = goals[one.id]
        if names:
            wave = audio.read_waveform(one.path, one.start, one.end)
            sounds = model.convert_many([wave] * len(names), [voices.get(name, name) for name in names])
            for name, sound in zip(names, sounds, strict=True):
                audio.write(folder / name / f"{one.id}.wav", sound)

    _each(plan, say, folder.name, skipped)


def _each(plan: Plan, function: Callable[[Utterance], None], what: str, skipped: Skipped) -> None:
    for utterance, _, error in run_jobs(function, list(plan.sources), what=what):
        if error is not None:
            skipped.add(f"{what} {utterance.id}", error)
