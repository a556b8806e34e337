"""Voices of a model: those it was trained on, by name, and those of recordings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqspeech import audio, loudness, world
from vqspeech.deprecation import warn_renamed
from vqspeech.errors import AudioError, ConfigError, SpeakerError
from vqspeech.models.arguments import check_name
from vqspeech.models.coder import Coder
from vqspeech.models.conditioning import condition
from vqspeech.models.decoders import Decoder, SourceFilter
from vqspeech.models.pretrained import hash_weights
from vqspeech.models.reference import Reference, average_vectors, measure_similarity, split_recording
from vqspeech.models.retrieval import ExemplarSums, move_to_exemplars
from vqspeech.pitch import SEMITONES, continuous_pitch, make_declination_contour, pitch_statistics, transfer_pitch
from vqspeech.voices import Voice

VoiceName = str | int | Voice
"""A voice of the model by its name, or one made of recordings."""
SHORTEST = 1.0
"""Least speech for a voice (s)."""


class SpeakerModel(Coder):
    """A coder with a decoder that has voices.

    Attributes:
        decoder: The decoder.
        pitch: Median and deviation of the log F0 of each named voice, `(voices, 2)`; NaN for one never voiced.
    """

    decoder: Decoder
    pitch: Tensor

    @property
    def retrieves(self) -> bool:
        """Whether conversions can take latents from recordings of the target (`models.retrieval`)."""
        return isinstance(self.decoder, SourceFilter) and self.decoder.conditioning in ("soft", "continuous")

    def encode_conditioning(self, samples: np.ndarray) -> np.ndarray:
        """Return what the decoder is conditioned on of a normalised recording int16 `(time,)`.

        Returns:
            Codes `(codes,)`, or float32 `(codes, dimension)` of soft codes or continuous latents.
        """
        if not isinstance(self.decoder, SourceFilter) or self.decoder.conditioning in ("codes", "residual"):
            return self.encode_normalised(samples)
        latents = self.encode_latents(samples).T
        given = condition(self.quantizer, latents, self.decoder.conditioning, self.decoder.temperature)
        return given.cpu().numpy()

    def codebook_hash(self) -> str:
        """Return the SHA-256 of the codebook: exemplars of voices are interchangeable between models with the same."""
        return hash_weights([self.quantizer.state_dict()])

    def speaker(self, name: str | int) -> int:
        """Return the index of a voice. Raise `SpeakerError`, with the closest names, where there is none."""
        name = check_name(name)
        if name not in self.speakers:
            from difflib import get_close_matches

            close = get_close_matches(name, self.speakers, 3, 0.0) or self.speakers[:3]
            known = f"the closest are {', '.join(close)} (`vqspeech speakers` lists all)"
            raise SpeakerError(f"no voice '{name}'; {known if close else 'the model has none but those of recordings'}")
        return self.speakers.index(name)

    def voice_rows(self, speakers: Sequence[VoiceName]) -> Tensor:
        """Return indices of voices `(batch,)`, or speaker vectors `(batch, voice)` where one is of a recording."""
        names = [one for one in speakers if not isinstance(one, Voice)]
        if len(names) == len(speakers):
            return torch.tensor([self.speaker(name) for name in names], device=self.device)
        for one in speakers:
            self.check_voice(one)
        rows = [
            torch.from_numpy(one.vector).to(self.device)
            if isinstance(one, Voice)
            else self.decoder.speaker.weight[self.speaker(one)]
            for one in speakers
        ]
        return torch.stack(rows).float()

    def check_voice(self, speaker: VoiceName) -> None:
        """Raise `SpeakerError` where there is no voice of that name, or it belongs to another model."""
        if not isinstance(speaker, Voice):
            self.speaker(speaker)
        elif speaker.model != self.voice_hash():
            raise SpeakerError(
                f"the voice '{speaker.name}' was made with another model; make it again from its recordings with "
                "`vqspeech voice make`"
            )

    @property
    def reference(self) -> Reference:
        """The encoder of speaker vectors.

        Raises:
            SpeakerError: The model has only the voices that it was trained on.
        """
        if isinstance(self.decoder, SourceFilter):
            return self.decoder.reference
        raise SpeakerError(
            "this model has only the voices that it has learned; choose one with --speaker, learn one with "
            "`vqspeech adapt`, or use a model whose decoder takes a voice from a recording"
        )

    def voice_hash(self) -> str:
        """Return the SHA-256 of the encoder of speaker vectors: voices of models with the same one are interchangeable.

        Raises:
            SpeakerError: As of `reference`.
        """
        return hash_weights([self.reference.state_dict()])

    @torch.inference_mode()
    def make_voice(self, waves: Sequence[Any], name: str = "reference", sample_rate: float = audio.RATE) -> Voice:
        """Return the voice of recordings of one speaker, for `convert` and `decode`.

        Args:
            waves: The recordings, as `audio.to_waveform` takes them; ten seconds are enough.
            name: Name of the voice.
            sample_rate: Of the recordings (Hz).

        Raises:
            SpeakerError: The model has only the voices that it was trained on.
            AudioError: There is less than a second of speech.
        """
        code = self.voice_hash()
        vectors, weights, logs = [], [], [np.zeros(0)]
        sums = ExemplarSums(self.quantizer) if self.retrieves else None
        for wave in waves:
            samples = loudness.normalise(audio.to_waveform(wave, sample_rate)).samples
            sound = loudness.to_float(samples)
            if sums is not None:
                sums.add(torch.from_numpy(self.encode_conditioning(samples)).to(self.device))
            for vector, seconds in self._measure_pieces(sound):
                vectors.append(vector)
                weights.append(seconds)
            logs.append(world.extract_log_f0(sound))
        if sum(weights) < SHORTEST:
            raise AudioError(
                f"a voice takes {SHORTEST:g} s of speech at least, better ten; there are {sum(weights):.1f} s in "
                f"{len(waves)} recording{'s' * (len(waves) != 1)}"
            )
        stacked, counts = torch.stack(vectors), torch.tensor(weights, device=self.device)
        vector = average_vectors(stacked, counts).cpu().numpy()
        alike = measure_similarity(stacked[counts >= SHORTEST])
        voice = Voice(name, vector, pitch_statistics(np.concatenate(logs)), code, sum(weights), alike)
        exemplars = None if sums is None else sums.average().half().cpu().numpy()
        if exemplars is None or not len(exemplars):  # what is loud enough for a voice need not be speech
            return voice
        return replace(voice, exemplars=exemplars, codebook=self.codebook_hash())

    @torch.inference_mode()
    def measure_speaker(self, sound: np.ndarray) -> np.ndarray | None:
        """Return the speaker vector of normalised speech float32 `(time,)`; None where less than a second is spoken."""
        pieces = self._measure_pieces(sound)
        weights = torch.tensor([seconds for _, seconds in pieces], device=self.device)
        if weights.sum() < SHORTEST:
            return None
        return average_vectors(torch.stack([vector for vector, _ in pieces]), weights).cpu().numpy()

    def _measure_pieces(self, sound: np.ndarray) -> list[tuple[Tensor, float]]:
        """Return the speaker vector of each piece of normalised speech that has some, and how long it is spoken (s)."""
        found = []
        for piece in split_recording(sound):
            powers = loudness.smooth_powers(loudness.frame_powers(piece))
            spoken = (powers > loudness.db_to_power(loudness.LEVEL - loudness.RANGE)).sum()
            if spoken:
                vector = self.reference(torch.from_numpy(piece)[None].to(self.device))[0]
                found.append((vector, float(spoken) * loudness.FRAME / audio.RATE))
        return found

    @torch.inference_mode()
    def retrieve(self, given: np.ndarray, speaker: VoiceName, share: float | None = None) -> np.ndarray:
        """Return what a decoder is conditioned on, moved towards the exemplars of a voice (`models.retrieval`).

        Args:
            given: As of `encode_conditioning`.
            speaker: The voice.
            share: From 0 to 1; None: what is best for the decoder where the voice has exemplars, else 0.

        Raises:
            ConfigError: There are no exemplars, or none of this codebook.
        """
        if share is not None and not 0 <= share <= 1:
            raise ConfigError(f"retrieval={share}: give a share from 0 to 1")
        if share == 0:
            return given
        decoder, exemplars = self.decoder, None
        if isinstance(speaker, Voice) and self.retrieves and speaker.exemplars is not None:
            exemplars = speaker.exemplars if speaker.codebook == self.codebook_hash() else None
        if exemplars is not None and isinstance(decoder, SourceFilter):
            latents, those = (torch.from_numpy(one).float().to(self.device) for one in (given, exemplars))
            return move_to_exemplars(latents, those, decoder.retrieval if share is None else share).cpu().numpy()
        if share:
            raise ConfigError(
                "retrieval needs recordings of the target: use a model that takes any voice, and give them with --like "
                "or make a voice of them with `vqspeech voice make`"
            )
        return given

    def voice_of(self, waves: Sequence[Any], name: str = "reference", sample_rate: float = audio.RATE) -> Voice:
        """Return `make_voice` of the recordings: its name in version 0.1."""
        warn_renamed("VQVAE.voice_of", "VQVAE.make_voice")
        return self.make_voice(waves, name, sample_rate)

    def voice_pitch(self, speaker: VoiceName) -> np.ndarray:
        """Return median and deviation of a voice's log F0, `(2,)`; NaN for one never voiced."""
        if isinstance(speaker, Voice):
            return np.array(speaker.pitch)
        return self.pitch[self.speaker(speaker)].cpu().numpy()

    def move_pitch(
        self, logs: np.ndarray, speaker: VoiceName, shift: float = 0.0, keep_pitch: bool = False
    ) -> np.ndarray:
        """Return a melody in the range of a voice, log F0 float32 `(frames,)`.

        Args:
            logs: Log F0 of the source `(frames,)`.
            speaker: The voice.
            shift: Semitones by which it is raised.
            keep_pitch: Whether it stays in the range of the source.

        Returns:
            0 where the source is unvoiced, for a decoder that is conditioned on voicing, otherwise continuous.
        """
        moved = continuous_pitch(logs) if keep_pitch else transfer_pitch(logs, self.voice_pitch(speaker))
        moved = np.where(moved > 0, moved + shift / SEMITONES, 0)
        return (np.where(logs > 0, moved, 0) if self.decoder.uses_voicing else moved).astype(np.float32)

    def make_declination_contour(self, frames: int, speaker: VoiceName) -> np.ndarray:
        """Return a falling melody in the range of a voice, log F0 `(frames,)`, for codes without a source."""
        return make_declination_contour(frames, self.voice_pitch(speaker))
