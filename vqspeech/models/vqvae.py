"""The VQ-VAE (1711.00937): front end, encoder, codebook, decoder; losses, encoding, decoding, conversion."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from vqspeech import audio, loudness, world
from vqspeech.data.dump import Shards
from vqspeech.data.windows import (
    SpeechBatch,
    Windows,
    compute_speaker_pitch,
    compute_utterance_statistics,
    compute_world_statistics,
)
from vqspeech.errors import ConfigError
from vqspeech.loudness import NormalisedRecording
from vqspeech.models.arguments import check_codes, check_counts, check_pitch
from vqspeech.models.chunks import Chunking
from vqspeech.models.coder import Coder
from vqspeech.models.decoders import DECODER, Sampling, SourceFilter, Streams, WorldDecoder, WorldWaveNet
from vqspeech.models.frontend import LogMel
from vqspeech.models.speakers import SpeakerModel, VoiceName
from vqspeech.progress import track

Kind = TypeVar("Kind", bound="VQVAE")
_EXCERPT = 30.0
"""Seconds of a recording that tell how its voice differs from another."""


class Source(NamedTuple):
    """A recording that is to be converted.

    Attributes:
        normalised: The recording at the level models expect.
        codes: What the decoder is conditioned on: codes `(codes,)` or vectors `(codes, dimension)`.
        logs: Log F0 `(frames,)`, for a decoder that is conditioned on pitch.
        voice: Its speaker vector, of its first half-minute, for a decoder that has guidance.
    """

    normalised: NormalisedRecording
    codes: np.ndarray
    logs: np.ndarray | None
    voice: np.ndarray | None = None


class VQVAE(SpeakerModel):
    """A model of a configuration (groups `frontend`, `encoder`, `quantizer`, `decoder`).

    Args:
        config: The configuration.
        speakers: Names of its voices.
        genders: "f" or "m" by name, as far as known.

    Raises:
        ConfigError: The configuration names something unknown or does not fit.
    """

    loaded = ("",)

    def __init__(self, config: Mapping[str, Any], speakers: Sequence[str], genders: Mapping[str, str] | None = None):
        super().__init__(config)
        self.speakers, self.genders = list(speakers), dict(genders or {})
        self.decoder = DECODER.make(
            self.config["decoder"],
            latents=self.config["encoder"]["latents"],
            hop=self.hop,
            speakers=len(self.speakers),
        )
        self.register_buffer("pitch", torch.full((len(self.speakers), 2), float("nan")))

    groups = {**Coder.groups, "decoder": DECODER}

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """As `Coder.check_config`."""
        if isinstance(config, Mapping) and "decoder" not in config:
            raise ConfigError("a model without decoder makes codes of speech and nothing else; use vqspeech encode")
        return super().check_config(config)

    @classmethod
    def from_metadata(cls: type[Kind], metadata: Mapping[str, Any]) -> Kind:
        """As `Pretrained.from_metadata`; of a live model, a `Live`."""
        kind = cls
        if "tracker" in metadata["config"]:
            from vqspeech.models.live.model import Live

            kind = cast(type[Kind], Live)
        return kind(metadata["config"], metadata["speakers"], metadata.get("genders"))

    # Training

    def fit(self, shards: Shards) -> None:
        """Set what is estimated from the training data before training: pitch by speaker, scale of the WORLD channels.

        Raises:
            ConfigError: The decoder needs WORLD frames and the dump has none.
        """
        if shards.world_maps:
            self.pitch.copy_(torch.from_numpy(compute_speaker_pitch(shards, self.speakers)))
        for part in self.decoder.modules():
            if isinstance(part, WorldDecoder):
                if not shards.world_maps:
                    raise ConfigError(f"{shards.path}: no WORLD frames for this decoder; run `vqspeech dump --world`")
                mean, deviation = compute_world_statistics(shards)
                part.mean.copy_(torch.from_numpy(mean))
                part.deviation.copy_(torch.from_numpy(deviation))

    def windows(self, shards: Shards, seconds: float) -> Windows:
        """Return windows of a dump, of `seconds` rounded up to whole codes and 10 ms frames.

        Raises:
            SpeakerError: The dump has a speaker that the model has not.
        """
        unit = math.lcm(self.hop, world.FRAME)
        statistics = None
        if isinstance(self.frontend, LogMel):
            statistics = compute_utterance_statistics(shards, self.frontend.name, self.frontend.statistics)
        return Windows(shards, self.speakers, math.ceil(seconds * audio.RATE / unit) * unit, statistics)

    def freeze_encoder(self) -> None:
        """Freeze encoder and codebook, and the frame decoder of a `WorldWaveNet`: only the rest is trained."""
        for module in (self.encoder, self.quantizer):
            module.requires_grad_(False)
        self.quantizer.frozen = True
        if isinstance(self.decoder, WorldWaveNet):
            self.decoder.frames.requires_grad_(False)

    def forward(self, batch: SpeechBatch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return losses by name, whose sum is minimised (eq. 3), codes `(batch, codes)` and their mask."""
        latents, mask = self.latents(batch)
        quantised = self.quantizer(latents, mask)
        losses = self.decoder.loss(quantised.vectors * mask[:, None], batch.speakers, batch) | quantised.losses
        return losses, quantised.codes, mask

    @torch.no_grad()
    def decoder_loss(self, codes: Tensor, mask: Tensor, batch: SpeechBatch) -> Tensor:
        """Return the decoder's loss on a batch given any codes `(batch, codes)`, such as shuffled ones."""
        latents = self.quantizer.lookup(codes) * mask[:, None]
        return torch.stack([*self.decoder.loss(latents, batch.speakers, batch).values()]).sum()

    # Inference

    @torch.inference_mode()
    def decode(self, codes: Any, speaker: VoiceName, pitch: np.ndarray | None = None, **sampling: Any) -> np.ndarray:
        """Return the speech of codes in a voice.

        Args:
            codes: `(codes,)`.
            speaker: A voice.
            pitch: Log F0 by 10 ms frame, for a decoder that is conditioned on pitch.
            **sampling: Fields of `Sampling`.

        Returns:
            float32 `(codes * hop,)` at 16 kHz.

        Raises:
            SpeakerError: There is no such voice.
            UnitsError: They are not codes of this model.
            ConfigError: The pitch is not log F0, or the engine cannot run here.
        """
        return self.decode_many([codes], [speaker], [pitch], **sampling)[0]

    def decode_many(
        self, codes: Sequence[Any], speakers: Sequence[VoiceName], pitches: Sequence[Any], **sampling: Any
    ) -> list[np.ndarray]:
        """Return the speech of several utterances, decoded in batches of chunks; arguments as of `decode`."""
        return _collected(self.decode_parts(codes, speakers, pitches, **sampling))

    def decode_parts(
        self,
        codes: Sequence[Any],
        speakers: Sequence[VoiceName],
        pitches: Sequence[Any],
        sources: Sequence[np.ndarray | None] | None = None,
        **sampling: Any,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the speech of several utterances in parts: (index of the utterance, its next samples).

        Memory is that of the chunks of one batch, however long the utterances are.

        Args:
            codes: As of `decode`, of each utterance.
            speakers: Likewise.
            pitches: Likewise.
            sources: Speaker vectors of the recordings that the codes are of, for guidance; None: there is none.
            **sampling: As of `decode`.
        """
        check_counts(codes=codes, speakers=speakers, pitches=pitches)
        codes = [self._checked(one) for one in codes]
        pitches = [None if one is None else check_pitch(one) for one in pitches]
        if not codes:
            return
        how = Sampling(**sampling)
        if how.formant != 1 and not self.decoder.uses_formant:
            raise ConfigError("this decoder has no spectral envelope that could be stretched; leave formant at 1")
        gains = self._guide(codes, speakers, pitches, sources, how)
        chunking = Chunking.for_decoder(self.decoder, [len(one) for one in codes], how, self.device)
        for i, chunks in groupby(self._chunks(chunking, codes, speakers, pitches, gains, how), itemgetter(0)):
            for part in chunking.join((chunk for _, chunk in chunks), self.hop):
                yield i, part

    @torch.inference_mode()
    def _guide(
        self,
        codes: Sequence[np.ndarray],
        speakers: Sequence[VoiceName],
        pitches: Sequence[np.ndarray | None],
        sources: Sequence[np.ndarray | None] | None,
        how: Sampling,
    ) -> Tensor | None:
        """Return what guidance adds to the log gains of each utterance, `(batch, 3, bands)`; None where it is 0."""
        decoder = self.decoder
        if not isinstance(decoder, SourceFilter):
            if how.guidance:
                raise ConfigError("this decoder has no guidance; leave it out, or use a model that takes any voice")
            return None
        guidance = decoder.guidance if how.guidance is None else how.guidance
        if sources is None and how.guidance:
            raise ConfigError("guidance needs the recording that the codes are of: convert the recording instead")
        if sources is None or not guidance:
            return None
        gains = torch.zeros(len(codes), 3, len(decoder.bands), device=self.device)
        for i, (code, name, pitch, source) in enumerate(zip(codes, speakers, pitches, sources, strict=True)):
            if source is None or pitch is None:
                continue
            target = self.voice_rows([name])
            vector = target if target.is_floating_point() else decoder.speaker(target)
            [latents] = self._look_up(code[None])
            [first, *_] = [*np.flatnonzero((latents != 0).any(0).cpu().numpy()), 0]
            latents = latents[None, :, first : first + round(_EXCERPT * audio.RATE / self.hop)]
            start = first * decoder.upsampling
            contour = torch.zeros(1, latents.shape[2] * decoder.upsampling, device=self.device)
            shown = torch.from_numpy(pitch[start : start + contour.shape[1]]).to(self.device)
            contour[0, : len(shown)] = shown
            other = torch.from_numpy(source)[None].to(self.device)
            gains[i] = guidance * decoder.contrast(latents, contour, vector, other)[0]
        return gains

    def _look_up(self, given: np.ndarray) -> Tensor:
        """Return the latents `(batch, dimension, codes)` of codes, or of vectors `(batch, codes, dimension)`."""
        codes = torch.from_numpy(given).to(self.device)
        return codes.transpose(1, 2) if codes.is_floating_point() else self.quantizer.lookup(codes)

    @torch.inference_mode()
    def _chunks(
        self,
        chunking: Chunking,
        codes: Sequence[np.ndarray],
        speakers: Sequence[VoiceName],
        pitches: Sequence[np.ndarray | None],
        gains: Tensor | None,
        how: Sampling,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the chunks of utterances in order, each with the index of its utterance."""
        seeds = [how.seed] * len(codes) if isinstance(how.seed, int) else how.seed
        cuts = chunking.spans([len(one) for one in codes])
        frames_per_code = self.hop / world.FRAME
        longest = max(stop - start for _, start, stop in cuts)
        voices = self.voice_rows([speakers[i] for i, _, _ in cuts])
        for rows in track(np.array_split(range(len(cuts)), -(-len(cuts) // chunking.batch)), "decoding", "batch"):
            part = slice(rows[0], rows[-1] + 1)
            padded = np.zeros((len(rows), longest, *codes[0].shape[1:]), dtype=codes[0].dtype)
            contours = np.zeros((len(rows), world.count_frames(longest * self.hop)), dtype=np.float32)
            for row, (i, start, stop) in enumerate(cuts[part]):
                padded[row, : stop - start] = codes[i][start:stop]
                contour = pitches[i]
                if contour is not None:
                    shown = contour[int(start * frames_per_code) :][: contours.shape[1]]
                    contours[row, : len(shown)] = shown
            lengths = torch.tensor([stop - start for _, start, stop in cuts[part]], device=self.device)
            own, starts = [seeds[i] for i, _, _ in cuts[part]], [start * self.hop for _, start, _ in cuts[part]]
            added = None if gains is None else gains[[i for i, _, _ in cuts[part]]]
            streams = Streams(lengths * self.hop, torch.from_numpy(contours), own, starts, how, added)
            mask = torch.arange(longest, device=self.device) < lengths[:, None]
            latents = self._look_up(padded) * mask[:, None]
            sounds = self.decoder.waveforms(latents, voices[part], streams).cpu().numpy()
            for (i, start, stop), sound in zip(cuts[part], sounds, strict=True):
                yield i, sound[: (stop - start) * self.hop]

    def _checked(self, codes: Any) -> np.ndarray:
        """Return codes, or vectors of soft codes and continuous latents, float32 `(codes, dimension)`."""
        if isinstance(codes, np.ndarray) and codes.dtype == np.float32 and codes.ndim == 2 and len(codes):
            return codes
        return check_codes(codes, self.quantizer.size)

    def convert(self, wave: Any, speaker: VoiceName, sample_rate: float = audio.RATE, **sampling: Any) -> np.ndarray:
        """Return a waveform converted to another voice: float32 `(samples,)` at 16 kHz, as long as the waveform.

        Args:
            wave: The source, as `audio.to_waveform` takes it.
            speaker: A voice of the model, or one that `make_voice` made.
            sample_rate: Of the source (Hz).
            **sampling: As of `decode`; `shift`, `keep_pitch`, `keep_pauses`, `retrieval` as of `convert_many`.

        Raises:
            SpeakerError: The voice is unknown, or belongs to another model.
            WaveformError: The source is not a waveform (a `ValueError`).
        """
        return self.convert_many([wave], [speaker], sample_rate, **sampling)[0]

    def convert_many(
        self,
        waves: Sequence[Any],
        speakers: Sequence[VoiceName],
        sample_rate: float = audio.RATE,
        shift: float = 0.0,
        keep_pitch: bool = False,
        keep_pauses: bool = False,
        retrieval: float | None = None,
        **sampling: Any,
    ) -> list[np.ndarray]:
        """Return several waveforms, each converted to a voice, in one batch.

        Args:
            waves: The sources.
            speakers: A voice for each.
            sample_rate: Of the sources (Hz).
            shift: Semitones by which the melody is raised.
            keep_pitch: Whether the melody keeps its range instead of moving to that of the voice.
            keep_pauses: Whether pauses keep the sound of the source.
            retrieval: Share of each latent, 0 to 1, that comes from the recordings of a voice (`models.retrieval`);
                None: what is best for the decoder.
            **sampling: As of `decode`; `formant` stretches spectral envelopes, where the decoder has such, and
                `guidance` goes beyond the target voice, away from that of the source.
        """
        given = list(waves)  # indexing a tensor makes new rows each time
        check_counts(waves=given, speakers=speakers)
        for name in speakers:
            self.check_voice(name)
        once = {id(wave): wave for wave in given}  # a grid has each source once for every target
        sources = {key: self.source([audio.to_waveform(wave, sample_rate)]) for key, wave in once.items()}
        ordered = [sources[id(wave)] for wave in given]
        how = {"retrieval": retrieval, **sampling}
        return _collected(self.convert_parts(ordered, speakers, shift, keep_pitch, keep_pauses, **how))

    def source(self, blocks: Iterable[np.ndarray]) -> Source:
        """Return what conversions need of a recording, given in blocks of its waveform."""
        normalised = loudness.normalise(blocks)
        codes = self.encode_conditioning(normalised.samples)
        logs = world.extract_log_f0(normalised.samples) if self.decoder.uses_pitch else None
        if not isinstance(self.decoder, SourceFilter):
            return Source(normalised, codes, logs)
        excerpt = loudness.to_float(normalised.samples[: round(_EXCERPT * audio.RATE)])
        return Source(normalised, codes, logs, self.measure_speaker(excerpt))

    def convert_parts(
        self,
        sources: Sequence[Source],
        speakers: Sequence[VoiceName],
        shift: float = 0.0,
        keep_pitch: bool = False,
        keep_pauses: bool = False,
        retrieval: float | None = None,
        **sampling: Any,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield conversions in parts: (index of the source, its next samples), as `decode_parts`.

        Arguments are those of `convert_many`.
        """
        if (shift or keep_pitch) and not self.decoder.uses_pitch:
            raise ConfigError("the codes of this model carry the melody; its pitch can be neither moved nor kept")
        pitches = [
            None if source.logs is None else self.move_pitch(source.logs, name, shift, keep_pitch)
            for source, name in zip(sources, speakers, strict=True)
        ]
        codes = [self.retrieve(one.codes, name, retrieval) for one, name in zip(sources, speakers, strict=True)]
        voices = [source.voice for source in sources]
        parts = self.decode_parts(codes, speakers, pitches, voices, **sampling)
        for i, said in groupby(parts, itemgetter(0)):
            for part in loudness.restore_parts((part for _, part in said), sources[i].normalised, keep_pauses):
                yield i, part

    def reconstruct(
        self, wave: Any, speaker: VoiceName, sample_rate: float = audio.RATE, **sampling: Any
    ) -> np.ndarray:
        """Return a waveform converted to its own voice, free-running."""
        return self.convert(wave, speaker, sample_rate, **sampling)


def _collected(parts: Iterable[tuple[int, np.ndarray]]) -> list[np.ndarray]:
    """Return the waveform of each utterance, whose parts come in order."""
    return [np.concatenate([part for _, part in some]) for _, some in groupby(parts, itemgetter(0))]
