"""Training of the source-filter decoder and its speaker encoder, on many speakers and the latents of a trained encoder.

A step decodes windows of speech from their latents, their pitch, and the vector of another recording of the speaker or
of another part of the same one. The losses are spectral distances and the cross-entropy of classifying the speakers of
the training data by the vector. A training has a budget of time, not of steps.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio, world
from vqspeech.data.pack import STEP, Pack
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.decoders.source_filter import SourceFilter
from vqspeech.models.decoders.spectra import spectral_losses
from vqspeech.models.frontend import to_waveforms
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.capture import ClippedAdam, capture_step, schedule_rate
from vqspeech.training.packs import PackWindows
from vqspeech.training.timed import TimedOptions, TimedTraining

KIND = "voices"
"""The kind that a saved file is marked with."""
_NOISE = 0.1  # nats, added to the features of a reference in training
_SHORTEST = 0.5  # least share of a reference that is used
_DEV_WINDOWS = 16  # of each speaker of the dev set


@dataclass(frozen=True)
class VoiceOptions(TimedOptions):
    """How voices are trained.

    Attributes:
        reference_seconds: Greatest length of a reference (s).
        speaker_weight: Weight of the classification of speakers.
        conversion_weight: Weight of the classification of the target speaker of conversions.
        conversion_share: Share of each batch that is converted for it.
        noise: Deviation of the noise added to latents, which hides their fine detail.
    """

    batch: int = 64
    seconds: float = 1.28
    rate: float = 1e-3
    log_every: float = 15.0
    reference_seconds: float = 3.0
    speaker_weight: float = 0.1
    conversion_weight: float = 0.0
    conversion_share: float = 0.5
    noise: float = 0.0


class VoiceTraining(TimedTraining[VoiceOptions]):
    """Train a `SourceFilter` on a pack, given the latents of all its utterances.

    Args:
        pack: The speech; speakers of its dev set are held out.
        latents: Latents of the pack `(variants, samples / hop, dimension)`, end to end as the samples are; the first
            variant is of the original speech, others are of perturbed speech.
        hop: Samples per code.
        decoder: Options of the decoder, without its name.
        about: Description of the latents for the saved file: configuration and hash of the encoder, kind of latents.
        options: How it is trained.
        device: Where to train.
    """

    def __init__(
        self,
        pack: Pack,
        latents: Tensor,
        hop: int,
        about: Mapping[str, Any],
        decoder: Mapping[str, Any] | None = None,
        options: VoiceOptions | None = None,
        device: str | torch.device = "cpu",
    ):
        self.pack, self.hop, self.about = pack, hop, dict(about)
        self.options, self.device = options or VoiceOptions(), torch.device(device)
        if STEP % hop:
            raise ConfigError(f"a pack has utterances of whole {STEP} samples; codes of {hop} do not fit into them")
        torch.manual_seed(self.options.seed)
        self.window = round(self.options.seconds * audio.RATE) // STEP * STEP
        self.reference = round(self.options.reference_seconds * audio.RATE) // STEP * STEP
        self.latents = latents.to(self.device)  # (variants, codes, dimension)
        self.samples = torch.from_numpy(pack.samples).to(self.device)
        logs = np.where(pack.f0 > 0, np.log(np.maximum(pack.f0, 1.0)), 0.0).astype(np.float32)
        self.pitch = torch.from_numpy(logs).to(self.device)
        self.train = PackWindows(pack, pack.select("train"), self.window, self.device)
        self.decoder = SourceFilter(latents.shape[2], hop, 1, **(decoder or {})).to(self.device)
        self.classifier = nn.Linear(self.decoder.speaker.embedding_dim, len(self.train.names)).to(self.device)
        self.decoder_options = dict(decoder or {})
        self.adam = ClippedAdam([*self.decoder.parameters(), *self.classifier.parameters()])
        self._buffers()
        dev = pack.select("dev")
        self.dev = PackWindows(pack, dev, self.window, self.device) if len(dev) else None
        self.dev_windows = []
        if self.dev is not None:
            generator = torch.Generator(self.device).manual_seed(self.options.seed + 1)
            batches = math.ceil(_DEV_WINDOWS * len(self.dev.names) / self.options.batch)
            self.dev_windows = [self.dev.draw(self.options.batch, self.reference, generator) for _ in range(batches)]

    def _buffers(self) -> None:
        size, device = self.options.batch, self.device
        frames = self.window // world.FRAME
        self.target = torch.zeros(size, self.window, device=device)
        self.references = torch.zeros(size, self.reference, device=device)
        self.contour = torch.zeros(size, frames, device=device)
        self.vectors = torch.zeros(size, self.latents.shape[2], self.window // self.hop, device=device)
        self.speakers = torch.zeros(size, dtype=torch.long, device=device)
        self.starts = torch.zeros(size, dtype=torch.long, device=device)
        self.losses = torch.zeros(4, device=device)

    def draw_windows(self) -> None:
        """Draw the windows of the next step into the tensors that the step reads."""
        utterance, start, other, reference_start = self.train.draw(self.options.batch, self.reference)
        length = self.reference * (_SHORTEST + (1 - _SHORTEST) * torch.rand(len(utterance), device=self.device))
        variant = torch.randint(len(self.latents), (len(utterance),), device=self.device)
        self._load(self.train, utterance, start, other, reference_start, length, variant)
        if self.options.noise:
            self.vectors.add_(torch.randn_like(self.vectors), alpha=self.options.noise)

    def _load(
        self,
        places: PackWindows,
        utterance: Tensor,
        start: Tensor,
        other: Tensor,
        reference_start: Tensor,
        length: Tensor,
        variant: Tensor,
    ) -> None:
        first = places.starts[utterance] + start
        steps = torch.arange(self.window, device=self.device)
        self.target.copy_(to_waveforms(self.samples[first[:, None] + steps]))
        frames = torch.arange(self.window // world.FRAME, device=self.device)
        self.contour.copy_(self.pitch[(first // world.FRAME)[:, None] + frames])
        codes = torch.arange(self.window // self.hop, device=self.device)
        self.vectors.copy_(self.latents[variant[:, None], (first // self.hop)[:, None] + codes].transpose(1, 2))
        self.speakers.copy_(places.speakers[utterance])
        # A recording is read as a ring, so that a reference lies clear of the window where there is room for both.
        steps = torch.arange(self.reference, device=self.device)
        ring = (reference_start[:, None] + steps) % places.lengths[other, None]
        references = to_waveforms(self.samples[places.starts[other, None] + ring])
        self.references.copy_(references * (steps < length[:, None]))
        self.starts.copy_((torch.rand(len(utterance), device=self.device) * 1e5).long())

    def take_step(self) -> None:
        """Take one optimiser step on the windows that were drawn."""
        self.adam.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            voices = self.decoder.reference(self.references, _NOISE)
            pulses, noise = self.decoder.envelopes(self.vectors, self.contour, voices)
            speakers = F.cross_entropy(self.classifier(voices).float(), self.speakers)
        made = self.decoder.sound(pulses, noise, self.contour, self.starts)
        losses = spectral_losses(made, self.target)
        loss = losses["spectrum"] + losses["mel"] + self.options.speaker_weight * speakers
        converted = torch.zeros_like(speakers)
        if self.options.conversion_weight:
            converted = self._conversion_loss(voices.detach())
            loss = loss + self.options.conversion_weight * converted
        loss.backward()
        self.adam.step()
        self.losses.copy_(torch.stack([losses["spectrum"], losses["mel"], speakers, converted]).detach())

    def _conversion_loss(self, voices: Tensor) -> Tensor:
        """Return the cross-entropy (nats) of the target speaker of windows converted to the next window's speaker.

        The pitch is shifted to the target's mean. Only the decoder gets a gradient; speaker encoder and classifier are
        fixed judges here (speaker consistency loss of Casanova et al., "YourTTS", 2022).
        """
        count = max(1, round(self.options.conversion_share * len(voices)))
        voiced = self.contour > 0
        means = self.contour.sum(1) / voiced.sum(1).clamp(min=1)  # 0 where nothing is voiced
        known = (means > 0) & (means.roll(-1) > 0)
        moved = self.contour + voiced * (known * (means.roll(-1) - means))[:, None]
        with self._autocast():
            converted = self.decoder(
                self.vectors[:count], moved[:count], voices.roll(-1, 0)[:count], self.starts[:count]
            )
            judge = {name: one.detach() for name, one in self.decoder.reference.named_parameters()}
            vectors = torch.func.functional_call(self.decoder.reference, judge, (converted,))
            logits = F.linear(vectors, self.classifier.weight.detach(), self.classifier.bias.detach())
        return F.cross_entropy(logits.float(), self.speakers.roll(-1)[:count])

    def _autocast(self) -> torch.autocast:
        # Cached casts would outlive the CUDA graph that made them.
        on_gpu = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu, cache_enabled=False)

    def begin(self) -> Callable[[int], None]:
        """Draw the first windows and capture the step; return the function that takes one."""
        self.decoder.train()
        self.draw_windows()
        captured = capture_step(self.take_step, self.device)

        def take(taken: int) -> None:
            self.adam.set_rate(schedule_rate(self.done, taken, self.options.rate))
            self.draw_windows()
            captured()

        return take

    def describe(self, speed: float) -> str:
        """Return a line of progress: the losses of the last step, and the figures of the dev set."""
        spectrum, mel, speakers, converted = self.losses.tolist()
        line = f"step {self.step} ({speed:.1f}/s): spectrum {spectrum:.3f}, mel {mel:.3f}, speakers {speakers:.3f} nats"
        if self.options.conversion_weight:
            line += f", targets {converted:.3f} nats"
        return line + "".join(f"; {name} {value:.3f}" for name, value in self.evaluate().items())

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Measure the model on the dev set, on the same windows at every call.

        Returns:
            {"dev spectrum", "dev mel": the losses, given the vector of another recording of the speaker; "dev nearer to
            target": share of conversions to other speakers of the dev set that are nearer to the target than to the
            source, by the model's own speaker vectors}. Empty where there is no dev set.
        """
        if self.dev is None:
            return {}
        self.decoder.eval()
        spectrum, mel, nearer = [], [], []
        for places in self.dev_windows:
            length = torch.full((self.options.batch,), float(self.reference), device=self.device)
            self._load(self.dev, *places, length, torch.zeros_like(places[0]))
            self.starts.zero_()
            with self._autocast():
                voices = self.decoder.reference(self.references)
                made = self.decoder(self.vectors, self.contour, voices, self.starts)
                losses = spectral_losses(made, self.target)
                target = voices.roll(1, 0)
                converted = self.decoder.reference(self.decoder(self.vectors, self.contour, target, self.starts))
            spectrum.append(losses["spectrum"])
            mel.append(losses["mel"])
            won = (converted * target).sum(1) > (converted * voices).sum(1)
            nearer.append(won[self.speakers != self.speakers.roll(1)].float())
        self.decoder.train()
        means = [torch.stack(spectrum).mean(), torch.stack(mel).mean(), torch.cat(nearer).mean()]
        return dict(zip(("dev spectrum", "dev mel", "dev nearer to target"), map(float, means), strict=True))

    def save(self, path: Path) -> None:
        """Write the decoder as float16, with what a resumed training needs.

        Raises:
            CheckpointError: A weight is not finite; the file stays as it was.
        """
        tensors = {f"decoder.{name}": tensor for name, tensor in self.decoder.state_dict().items()}
        tensors |= {f"classifier.{name}": tensor for name, tensor in self.classifier.state_dict().items()}
        del tensors["decoder.speaker.weight"]  # of named voices, of which there are none yet
        halves = {name: tensor.half() for name, tensor in tensors.items()}
        if not all(tensor.isfinite().all() for tensor in halves.values()):
            raise CheckpointError(f"{path}: weights are not finite after step {self.step}; lower the rate")
        about = {**self.kind, "options": asdict(self.options), "step": self.step, "done": self.done}
        checkpoint.write(path, halves, about)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load decoder and classifier."""
        for prefix, module in (("decoder.", self.decoder), ("classifier.", self.classifier)):
            own = {name[len(prefix) :]: value.float() for name, value in tensors.items() if name.startswith(prefix)}
            module.load_state_dict(own, strict=False)

    @property
    def kind(self) -> dict[str, Any]:
        """Description that a file must have for training to resume from it."""
        return {
            "kind": KIND,
            "decoder": {"name": "source_filter", **self.decoder_options},
            "latents": self.latents.shape[2],
            "hop": self.hop,
            "speakers": self.train.names,
            **self.about,
        }


def join_voice(content: str | Path, path: str | Path) -> VQVAE:
    """Return the model of an encoder and the decoder that was trained on its latents, without named voices.

    Args:
        content: Checkpoint of the encoder and its codebook.
        path: What `VoiceTraining.save` wrote.

    Raises:
        CheckpointError: The decoder was trained on latents of another encoder, or a file cannot be read.
    """
    coder = Coder.from_pretrained(content)
    tensors, about = checkpoint.read(path)
    if about.get("kind") != KIND or about.get("fingerprint") != coder.fingerprint():
        raise CheckpointError(
            f"{path}: was not trained on latents of {content}; name the encoder that it was trained on"
        )
    model = VQVAE({**coder.config, "decoder": about["decoder"]}, [])
    model.load_state_dict(coder.state_dict(), strict=False)
    own = {name.removeprefix("decoder."): one.float() for name, one in tensors.items() if name.startswith("decoder.")}
    model.decoder.load_state_dict(own | {"speaker.weight": model.decoder.speaker.weight})
    return model.eval()
