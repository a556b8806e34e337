"""The VQ-VAE (1711.00937): front end, encoder, codebook, decoder; and what one does with a trained one."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vqspeech import audio, pretrained, world
from vqspeech.data.dump import Shards
from vqspeech.data.windows import Batch, Windows, pitch_by_speaker, utterance_statistics, world_statistics
from vqspeech.errors import CheckpointError, ConfigError, SpeakerError
from vqspeech.models import checkpoint
from vqspeech.models.decoders import Lanes, Sampling, WorldDecoder, decoder
from vqspeech.models.decoders.world import carried_pitch, falling_pitch
from vqspeech.models.encoder import Encoder
from vqspeech.models.frontend import LogMel, frontend, moments
from vqspeech.models.pieces import LANES, Cutting
from vqspeech.models.quantize import quantizer

PIECE = 20.0
"""Seconds that are encoded at once; memory does not grow beyond it."""


class VQVAE(nn.Module):
    """A model as its configuration describes it (groups `frontend`, `encoder`, `quantizer`, `decoder`), for the voices
    `speakers`, whose `genders` ("f" or "m") are by name, as far as known.

    Raises `ConfigError` where the configuration names something unknown."""

    pitch: Tensor

    def __init__(self, config: Mapping[str, Any], speakers: Sequence[str], genders: Mapping[str, str] | None = None):
        super().__init__()
        self.config, self.speakers, self.genders = dict(config), list(speakers), dict(genders or {})
        try:
            latents = config["encoder"]["latents"]
            self.frontend = frontend(**config["frontend"])
            self.encoder = Encoder(self.frontend.channels, **config["encoder"])
            self.quantizer = quantizer(dimension=latents, **config["quantizer"])
            self.decoder = decoder(latents=latents, hop=self.hop, speakers=len(self.speakers), **config["decoder"])
        except (KeyError, TypeError) as error:
            raise ConfigError(f"the configuration does not describe a model: {error}") from None
        self.register_buffer("pitch", torch.full((len(self.speakers), 2), float("nan")))

    @property
    def hop(self) -> int:
        """Samples per code."""
        return self.frontend.hop * self.encoder.hop

    @property
    def rate(self) -> float:
        """Codes a second (Hz)."""
        return audio.RATE / self.hop

    @property
    def encoder_field(self) -> int:
        """Samples that one code depends on."""
        return self.frontend.reach + self.frontend.hop * self.encoder.receptive_field

    @property
    def about(self) -> dict[str, Any]:
        """All it takes to build it again, beside the weights."""
        return {"config": self.config, "speakers": self.speakers}

    @property
    def device(self) -> torch.device:
        return self.pitch.device

    # Training

    def fit(self, shards: Shards) -> None:
        """Sets what is known of the training data before training: pitch by speaker, scale of the WORLD channels.

        Raises `ConfigError` where the decoder needs WORLD frames and the dump has none.
        """
        if shards.world_maps:
            self.pitch.copy_(torch.from_numpy(pitch_by_speaker(shards, self.speakers)))
        if isinstance(self.decoder, WorldDecoder):
            if not shards.world_maps:
                raise ConfigError(f"{shards.path} has no WORLD frames for this decoder; run `vqspeech dump --world`")
            mean, deviation = world_statistics(shards)
            self.decoder.mean.copy_(torch.from_numpy(mean))
            self.decoder.deviation.copy_(torch.from_numpy(deviation))

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
        """Keeps encoder and codebook as they are from now on: only the decoder learns."""
        for module in (self.encoder, self.quantizer):
            module.requires_grad_(False)
        self.quantizer.frozen = True

    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encoder output `(batch, latents, codes)` and the mask of codes within each window `(batch, codes)`."""
        lengths = -(-batch.lengths // self.hop) * self.hop
        mask = torch.arange(batch.samples.shape[1], device=lengths.device) < lengths[:, None]
        features = self.frontend(batch.samples, mask, batch.statistics)
        return self.encoder(features, mask[:, :: self.frontend.hop]), mask[:, :: self.hop]

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

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, device: str = "cpu") -> "VQVAE":
        """The model of a checkpoint, an experiment folder, or the name of a shipped model (None: the default one),
        ready for use. Raises `CheckpointError` where it cannot be read."""
        tensors, about = checkpoint.read(pretrained.located(path), "model.", device)
        try:
            model = cls(about["config"], about["speakers"], about.get("genders")).to(device)
            model.load_state_dict(tensors)
        except (ConfigError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{path}: weights and configuration do not fit together ({error})") from None
        return model.eval()

    def save_pretrained(self, path: str | Path, dtype: torch.dtype = torch.float32, **about: Any) -> None:
        """Writes weights, configuration and speakers (and what else is said `about` it) to one file.

        Parameters are stored as `dtype`, and are float32 again once loaded. As float16 they take half the room; those
        of the encoder are rounded too, so the fingerprint changes. Raises `CheckpointError` where one is too large.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.state_dict().items()}
        tensors |= {f"model.{name}": parameter.to(dtype) for name, parameter in self.named_parameters()}
        if any(tensor.isinf().any() for tensor in tensors.values()):
            raise CheckpointError(f"{path}: a weight is too large for {dtype}; keep the checkpoint as it is")
        checkpoint.write(path, tensors, {**self.about, "genders": self.genders, **about})

    @property
    def units(self) -> dict[str, Any]:
        """Its codes as the side file of a units file describes them, but for the name of the model."""
        return {"rate_hz": self.rate, "codes": self.quantizer.size, "sha256": self.fingerprint()}

    def fingerprint(self) -> str:
        """SHA-256 of encoder and codebook: units of two models with the same one mean the same."""
        digest = hashlib.sha256()
        for module in (self.encoder, self.quantizer):
            for name, tensor in sorted(module.state_dict().items()):
                digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def speaker(self, name: str) -> int:
        """Index of a voice. Raises `SpeakerError`, with the closest names, where there is none of that name."""
        if name not in self.speakers:
            from difflib import get_close_matches

            close = get_close_matches(name, self.speakers, 3, 0.0) or self.speakers[:3]
            raise SpeakerError(f"no voice '{name}'; the closest are {', '.join(close)} (`vqspeech speakers` lists all)")
        return self.speakers.index(name)

    def encode(self, wave: np.ndarray) -> np.ndarray:
        """Codes of a waveform `(samples,)` at 16 kHz: int64 `(codes,)`, one per `hop` samples, the last one filled up
        with silence. Raises `ValueError` where the waveform is empty, not one channel, or not finite."""
        wave = np.asarray(wave)
        if wave.ndim != 1 or not len(wave) or not np.isfinite(wave).all():
            raise ValueError("a waveform is a non-empty array (samples,) of finite numbers")
        return self.encode_blocks([wave])

    @torch.inference_mode()
    def encode_blocks(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        """Codes of a waveform that comes in blocks, as `encode`; memory is that of 8-bit levels and of one piece."""
        levels = np.concatenate([audio.mulaw(block) for block in blocks])
        levels = np.pad(levels, (0, -len(levels) % self.hop), constant_values=audio.MIDPOINT)
        margin = -(-self.encoder_field // self.hop) * self.hop
        step = max(1, int(PIECE * audio.RATE) // self.hop) * self.hop
        statistics = self._statistics(levels, step, margin)
        codes = []
        for start in range(0, len(levels), step):
            first = max(0, start - margin)
            piece = torch.from_numpy(levels[None, first : start + step + margin].copy()).to(self.device)
            batch = Batch(piece, torch.tensor([piece.shape[1]], device=self.device), piece[:, 0], statistics, None)
            found = self.quantizer.nearest(self.latents(batch)[0][0].T)
            codes.append(found[(start - first) // self.hop :][: step // self.hop].cpu().numpy())
        return np.concatenate(codes)

    def _statistics(self, levels: np.ndarray, step: int, margin: int) -> Tensor | None:
        """The front end's statistics of one utterance `(1, 2, channels)`, gathered piece by piece."""
        if not isinstance(self.frontend, LogMel):
            return None
        total, square, count, hop = torch.zeros(()), torch.zeros(()), 0, self.frontend.hop
        for start in range(0, len(levels), step):
            first = max(0, start - margin)
            piece = torch.from_numpy(levels[first : start + step + margin].copy()).to(self.device)
            inside = (start - first) // hop
            sums = self.frontend.sums(piece, inside, inside + step // hop)
            total, square, count = total + sums[0], square + sums[1], count + sums[2]
        return moments(total, square, count)[None]

    @torch.inference_mode()
    def decode(self, codes: np.ndarray, speaker: str, pitch: np.ndarray | None = None, **sampling: Any) -> np.ndarray:
        """Speech of codes `(codes,)` in a voice: float32 `(codes * hop,)` at 16 kHz.

        `pitch` is log F0 by 10 ms frame, for a decoder that is told the pitch; `sampling`, for one that draws, the
        fields of `Sampling`. Raises `SpeakerError`; `ConfigError` where the engine cannot run here.
        """
        return self.decode_many([codes], [speaker], [pitch], **sampling)[0]

    @torch.inference_mode()
    def decode_many(
        self,
        codes: Sequence[np.ndarray],
        speakers: Sequence[str],
        pitches: Sequence[np.ndarray | None],
        **sampling: Any,
    ) -> list[np.ndarray]:
        """As `decode`, for several utterances in one batch, cut into pieces where they are long."""
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

    def carried_pitch(self, logs: np.ndarray, speaker: str) -> np.ndarray:
        """A melody, log F0 by frame `(frames,)`, in a voice's range."""
        return carried_pitch(logs, self.pitch[self.speaker(speaker)].cpu().numpy())

    def falling_pitch(self, frames: int, speaker: str) -> np.ndarray:
        """A melody for codes that nobody has spoken, log F0 by frame `(frames,)`, in a voice's range."""
        return falling_pitch(frames, self.pitch[self.speaker(speaker)].cpu().numpy())

    def convert(self, wave: np.ndarray, speaker: str, **sampling: Any) -> np.ndarray:
        """What a waveform `(samples,)` says, in another voice: float32 `(samples,)` at 16 kHz.

        `sampling` as in `decode`. Raises `SpeakerError` for an unknown voice, `ValueError` for what is no waveform.
        """
        return self.convert_many([wave], [speaker], **sampling)[0]

    def convert_many(self, waves: Sequence[np.ndarray], speakers: Sequence[str], **sampling: Any) -> list[np.ndarray]:
        """As `convert`, for several waveforms in one batch."""
        for name in speakers:
            self.speaker(name)
        once = {id(wave): wave for wave in waves}  # a grid has each source once for every target
        encoded = {key: self.encode(wave) for key, wave in once.items()}
        pitches: list[np.ndarray | None] = [None] * len(waves)
        if isinstance(self.decoder, WorldDecoder):
            logs = {key: world.log_f0(wave) for key, wave in once.items()}
            pitches = [self.carried_pitch(logs[id(wave)], name) for wave, name in zip(waves, speakers, strict=True)]
        decoded = self.decode_many([encoded[id(wave)] for wave in waves], speakers, pitches, **sampling)
        return [sound[: len(wave)] for sound, wave in zip(decoded, waves, strict=True)]

    def reconstruct(self, wave: np.ndarray, speaker: str, **sampling: Any) -> np.ndarray:
        """A waveform through codes and back in its own voice, free-running: the conversion to its own speaker."""
        return self.convert(wave, speaker, **sampling)
