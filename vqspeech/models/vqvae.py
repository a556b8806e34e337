"""The VQ-VAE (1711.00937): front end, encoder, codebook, decoder; and what one does with a trained one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqspeech import audio, loudness, world
from vqspeech.data.dump import Shards
from vqspeech.data.windows import Batch, Windows, pitch_by_speaker, utterance_statistics, world_statistics
from vqspeech.errors import ConfigError, SpeakerError
from vqspeech.models.arguments import check_codes, check_counts, check_name, check_pitch
from vqspeech.models.coder import Coder
from vqspeech.models.decoders import DECODER, Decoder, Lanes, Sampling, WorldDecoder, WorldWaveNet
from vqspeech.models.frontend import LogMel
from vqspeech.models.pieces import LANES, Cutting
from vqspeech.pitch import falling_pitch, transfer_pitch


class VQVAE(Coder):
    """A model as its configuration describes it (groups `frontend`, `encoder`, `quantizer`, `decoder`), for the voices
    `speakers`, whose `genders` ("f" or "m") are by name, as far as known.

    Raises `ConfigError` where the configuration names something unknown."""

    pitch: Tensor
    halves = ("",)

    def __init__(self, config: Mapping[str, Any], speakers: Sequence[str], genders: Mapping[str, str] | None = None):
        super().__init__(config)
        self.speakers, self.genders = list(speakers), dict(genders or {})
        self.decoder: Decoder = DECODER.make(
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
    def _described(cls, about: Mapping[str, Any]) -> "VQVAE":
        return cls(about["config"], about["speakers"], about.get("genders"))

    # Training

    def fit(self, shards: Shards) -> None:
        """Sets what is known of the training data before training: pitch by speaker, scale of the WORLD channels.

        Raises `ConfigError` where the decoder needs WORLD frames and the dump has none.
        """
        if shards.world_maps:
            self.pitch.copy_(torch.from_numpy(pitch_by_speaker(shards, self.speakers)))
        for part in self.decoder.modules():
            if isinstance(part, WorldDecoder):
                if not shards.world_maps:
                    raise ConfigError(f"{shards.path}: no WORLD frames for this decoder; run `vqspeech dump --world`")
                mean, deviation = world_statistics(shards)
                part.mean.copy_(torch.from_numpy(mean))
                part.deviation.copy_(torch.from_numpy(deviation))

    def windows(self, shards: Shards, seconds: float) -> Windows:
        """Windows of a dump for this model, of `seconds` rounded up to whole codes and 10 ms frames.

        Raises `SpeakerError` where the dump has a speaker the model has not.
        """
        unit = math.lcm(self.hop, world.FRAME)
        statistics = None
        if isinstance(self.frontend, LogMel):
            statistics = utterance_statistics(shards, self.frontend.name, self.frontend.statistics)
        return Windows(shards, self.speakers, math.ceil(seconds * audio.RATE / unit) * unit, statistics)

    def freeze_encoder(self) -> None:
        """Keeps encoder and codebook as they are from now on: only the decoder learns; of a WaveNet over the frames of
        the fast decoder the WaveNet alone."""
        for module in (self.encoder, self.quantizer):
            module.requires_grad_(False)
        self.quantizer.frozen = True
        if isinstance(self.decoder, WorldWaveNet):
            self.decoder.frames.requires_grad_(False)

    def forward(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Losses by name, whose sum is minimised (eq. 3); the codes `(batch, codes)`; the mask of those that count."""
        latents, mask = self.latents(batch)
        quantised = self.quantizer(latents, mask)
        losses = self.decoder.loss(quantised.vectors * mask[:, None], batch.speakers, batch) | quantised.losses
        return losses, quantised.codes, mask

    @torch.no_grad()
    def decoder_loss(self, codes: Tensor, mask: Tensor, batch: Batch) -> Tensor:
        """The decoder's loss on a batch given any codes `(batch, codes)`: what shuffled codes cost is told by it."""
        latents = self.quantizer.lookup(codes) * mask[:, None]
        return torch.stack([*self.decoder.loss(latents, batch.speakers, batch).values()]).sum()

    # Inference

    def speaker(self, name: str | int) -> int:
        """Index of a voice, by its name. Raises `SpeakerError`, with the closest ones, where there is none of that."""
        name = check_name(name)
        if name not in self.speakers:
            from difflib import get_close_matches

            close = get_close_matches(name, self.speakers, 3, 0.0) or self.speakers[:3]
            raise SpeakerError(f"no voice '{name}'; the closest are {', '.join(close)} (`vqspeech speakers` lists all)")
        return self.speakers.index(name)

    @torch.inference_mode()
    def decode(self, codes: Any, speaker: str | int, pitch: np.ndarray | None = None, **sampling: Any) -> np.ndarray:
        """Speech of codes `(codes,)` in a voice: float32 `(codes * hop,)` at 16 kHz.

        `pitch` is log F0 by 10 ms frame, for a decoder that is told the pitch; `sampling`, for one that draws, the
        fields of `Sampling`. Raises `SpeakerError`; `UnitsError` for what are no codes of this model; `ConfigError`
        for what is no log F0, and where the engine cannot run here.
        """
        return self.decode_many([codes], [speaker], [pitch], **sampling)[0]

    @torch.inference_mode()
    def decode_many(
        self, codes: Sequence[Any], speakers: Sequence[str | int], pitches: Sequence[Any], **sampling: Any
    ) -> list[np.ndarray]:
        """As `decode`, for several utterances in one batch, cut into pieces where they are long."""
        check_counts(codes=codes, speakers=speakers, pitches=pitches)
        codes = [check_codes(one, self.quantizer.size) for one in codes]
        pitches = [None if one is None else check_pitch(one) for one in pitches]
        if not codes:
            return []
        how = Sampling(**sampling)
        seeds = [how.seed] * len(codes) if isinstance(how.seed, int) else how.seed
        cutting = Cutting.of(self.decoder, [len(one) for one in codes], how, self.device)
        cuts = cutting.pieces([len(one) for one in codes])
        frames_per_code = self.hop / world.FRAME
        longest = max(stop - start for _, start, stop in cuts)
        padded = np.zeros((len(cuts), longest), dtype=np.int64)
        contours = np.zeros((len(cuts), world.frames_in(longest * self.hop)), dtype=np.float32)
        for row, (i, start, stop) in enumerate(cuts):
            padded[row, : stop - start] = codes[i][start:stop]
            contour = pitches[i]
            if contour is not None:
                part = contour[int(start * frames_per_code) :][: contours.shape[1]]
                contours[row, : len(part)] = part
        voices = torch.tensor([self.speaker(speakers[i]) for i, _, _ in cuts], device=self.device)
        lengths = torch.tensor([stop - start for _, start, stop in cuts], device=self.device)
        sounds: list[np.ndarray] = []
        for rows in np.array_split(range(len(cuts)), -(-len(cuts) // LANES)):
            part = slice(rows[0], rows[-1] + 1)
            own, starts = [seeds[i] for i, _, _ in cuts[part]], [start * self.hop for _, start, _ in cuts[part]]
            lanes = Lanes(lengths[part] * self.hop, torch.from_numpy(contours[part]), own, starts, how)
            mask = torch.arange(longest, device=self.device) < lengths[part, None]
            latents = self.quantizer.lookup(torch.from_numpy(padded[part]).to(self.device)) * mask[:, None]
            sounds += [*self.decoder.waveforms(latents, voices[part], lanes).cpu().numpy()]
        pieces: list[list[np.ndarray]] = [[] for _ in codes]
        for (i, start, stop), sound in zip(cuts, sounds, strict=True):
            pieces[i].append(sound[: (stop - start) * self.hop])
        return [cutting.joined(parts, self.hop) for parts in pieces]

    def carried_pitch(self, logs: np.ndarray, speaker: str | int) -> np.ndarray:
        """A melody, log F0 by frame `(frames,)`, in a voice's range."""
        return transfer_pitch(logs, self.pitch[self.speaker(speaker)].cpu().numpy())

    def falling_pitch(self, frames: int, speaker: str | int) -> np.ndarray:
        """A melody for codes that nobody has spoken, log F0 by frame `(frames,)`, in a voice's range."""
        return falling_pitch(frames, self.pitch[self.speaker(speaker)].cpu().numpy())

    def convert(self, wave: Any, speaker: str | int, sample_rate: float = audio.RATE, **sampling: Any) -> np.ndarray:
        """What a waveform says, in another voice: float32 `(samples,)` at 16 kHz, as long as the waveform.

        `sampling` as in `decode`. Raises `SpeakerError` for an unknown voice, and as `audio.to_waveform`
        `WaveformError` (a `ValueError`) for what is no waveform.
        """
        return self.convert_many([wave], [speaker], sample_rate, **sampling)[0]

    def convert_many(
        self, waves: Sequence[Any], speakers: Sequence[str | int], sample_rate: float = audio.RATE, **sampling: Any
    ) -> list[np.ndarray]:
        """As `convert`, for several waveforms in one batch."""
        check_counts(waves=waves, speakers=speakers)
        for name in speakers:
            self.speaker(name)
        given = list(waves)  # the rows of a tensor are new with every look
        once = {id(wave): audio.to_waveform(wave, sample_rate) for wave in given}  # a grid has each source once
        sources = {key: loudness.normalise(wave) for key, wave in once.items()}
        encoded = {key: self.encode_normalised(source.samples) for key, source in sources.items()}
        pitches: list[Any] = [None] * len(given)
        if self.decoder.told_pitch:
            logs = {key: world.log_f0(loudness.waveform(source.samples)) for key, source in sources.items()}
            pitches = [self.carried_pitch(logs[id(wave)], name) for wave, name in zip(given, speakers, strict=True)]
        decoded = self.decode_many([encoded[id(wave)] for wave in given], speakers, pitches, **sampling)
        cut = [sound[: len(once[id(wave)])] for sound, wave in zip(decoded, given, strict=True)]
        return [loudness.restore(sound, sources[id(wave)]) for sound, wave in zip(cut, given, strict=True)]

    def reconstruct(
        self, wave: Any, speaker: str | int, sample_rate: float = audio.RATE, **sampling: Any
    ) -> np.ndarray:
        """A waveform through codes and back in its own voice, free-running: the conversion to its own speaker."""
        return self.convert(wave, speaker, sample_rate, **sampling)
