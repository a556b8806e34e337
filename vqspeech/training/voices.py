"""Training the source-filter decoder and its speaker vectors, of many speakers, on the latents of a finished encoder.

A step decodes windows of speech from their latents, their pitch, and the vector of another recording of the speaker,
or of another part of the same one. Losses are those of the spectra, and of telling the speakers of the training data
apart by the vector. Time, not steps, is what a training is given.
"""

import math
import time
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
from vqspeech.errors import CheckpointError, ConfigError, ShardError
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.conditioning import condition, soft_temperature
from vqspeech.models.decoders.source_filter import SourceFilter, spectral_losses, waveforms_of
from vqspeech.models.vqvae import VQVAE
from vqspeech.training.capture import ClippedAdam, capture_step, schedule_rate

KIND = "voices"
"""What the saved file says it is."""
_BALANCE = 0.6
"""Speakers are drawn in proportion to their seconds to this power: who has few is heard more than his share."""
_NOISE = 0.1  # nats, added to a reference's features in training
_SHORTEST = 0.5  # share of a reference that is heard at least
_DEV_WINDOWS = 16  # of each speaker of the dev set


@dataclass(frozen=True)
class VoiceOptions:
    """How voices are trained. `seconds` of a window, `reference_seconds` of a reference at most; `rate` the highest
    learning rate; `speaker_weight` what the loss of telling speakers apart counts; `conversion_weight` what the loss of
    telling the target of a conversion counts, which a share `conversion_share` of each batch is converted for; `noise`
    the deviation of what is added to latents, which hides what is fine in them; `log_every` seconds a line is printed,
    and `save_every` seconds the model saved."""

    batch: int = 64
    seconds: float = 1.28
    reference_seconds: float = 3.0
    rate: float = 1e-3
    speaker_weight: float = 0.1
    conversion_weight: float = 0.0
    conversion_share: float = 0.5
    noise: float = 0.0
    seed: int = 0
    log_every: float = 15.0
    save_every: float = 60.0


class VoiceTraining:
    """Learns a `SourceFilter` from a pack, given the latents of all its utterances.

    Args:
        pack: The speech; speakers of its dev set are not learned.
        latents: Latents of the pack `(variants, samples / hop, dimension)`, end to end as the samples are; the first
            variant is of the speech as it is, others of perturbed speech.
        decoder: Options of the decoder, without its name.
        about: What the saved file says of the latents: configuration and hash of the encoder, kind of latents.
        options: How it is trained.
        device: Where.
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
        self.train = _Places(pack, pack.select("train"), self.window, self.device)
        self.decoder = SourceFilter(latents.shape[2], hop, 1, **(decoder or {})).to(self.device)
        self.classifier = nn.Linear(self.decoder.speaker.embedding_dim, len(self.train.names)).to(self.device)
        self.decoder_options = dict(decoder or {})
        self.adam = ClippedAdam([*self.decoder.parameters(), *self.classifier.parameters()])
        self.step, self.done = 0, 0.0
        self._buffers()
        dev = pack.select("dev")
        self.dev = _Places(pack, dev, self.window, self.device) if len(dev) else None
        self.dev_windows = []
        if self.dev is not None:
            generator = torch.Generator(self.device).manual_seed(self.options.seed + 1)
            batches = math.ceil(_DEV_WINDOWS * len(self.dev.names) / self.options.batch)
            self.dev_windows = [self.dev.draw(self.options.batch, self.reference, generator) for _ in range(batches)]

    def _buffers(self) -> None:
        size, device = self.options.batch, self.device
        frames = self.window // world.FRAME
        self.target = torch.zeros(size, self.window, device=device)
        self.heard = torch.zeros(size, self.reference, device=device)
        self.contour = torch.zeros(size, frames, device=device)
        self.vectors = torch.zeros(size, self.latents.shape[2], self.window // self.hop, device=device)
        self.speakers = torch.zeros(size, dtype=torch.long, device=device)
        self.starts = torch.zeros(size, dtype=torch.long, device=device)
        self.losses = torch.zeros(4, device=device)

    def draw_windows(self) -> None:
        """Draw the windows of the next step into the tensors that it reads."""
        utterance, start, other, heard_from = self.train.draw(self.options.batch, self.reference)
        length = self.reference * (_SHORTEST + (1 - _SHORTEST) * torch.rand(len(utterance), device=self.device))
        variant = torch.randint(len(self.latents), (len(utterance),), device=self.device)
        self._load(self.train, utterance, start, other, heard_from, length, variant)
        if self.options.noise:
            self.vectors.add_(torch.randn_like(self.vectors), alpha=self.options.noise)

    def _load(
        self,
        places: "_Places",
        utterance: Tensor,
        start: Tensor,
        other: Tensor,
        heard_from: Tensor,
        length: Tensor,
        variant: Tensor,
    ) -> None:
        first = places.starts[utterance] + start
        steps = torch.arange(self.window, device=self.device)
        self.target.copy_(waveforms_of(self.samples[first[:, None] + steps]))
        frames = torch.arange(self.window // world.FRAME, device=self.device)
        self.contour.copy_(self.pitch[(first // world.FRAME)[:, None] + frames])
        codes = torch.arange(self.window // self.hop, device=self.device)
        self.vectors.copy_(self.latents[variant[:, None], (first // self.hop)[:, None] + codes].transpose(1, 2))
        self.speakers.copy_(places.speakers[utterance])
        # A recording is read as a ring, so that a reference lies clear of the window where there is room for both.
        ring = (heard_from[:, None] + torch.arange(self.reference, device=self.device)) % places.lengths[other, None]
        heard = waveforms_of(self.samples[places.starts[other, None] + ring])
        self.heard.copy_(heard * (torch.arange(self.reference, device=self.device) < length[:, None]))
        self.starts.copy_((torch.rand(len(utterance), device=self.device) * 1e5).long())

    def take_step(self) -> None:
        """Learn from the windows that were drawn."""
        self.adam.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            voices = self.decoder.reference(self.heard, _NOISE)
            pulses, noise = self.decoder.envelopes(self.vectors, self.contour, voices)
            told = F.cross_entropy(self.classifier(voices).float(), self.speakers)
        made = self.decoder.sound(pulses, noise, self.contour, self.starts)
        losses = spectral_losses(made, self.target)
        loss = losses["spectrum"] + losses["mel"] + self.options.speaker_weight * told
        converted = torch.zeros_like(told)
        if self.options.conversion_weight:
            converted = self._conversion_loss(voices.detach())
            loss = loss + self.options.conversion_weight * converted
        loss.backward()
        self.adam.step()
        self.losses.copy_(torch.stack([losses["spectrum"], losses["mel"], told, converted]).detach())

    def _conversion_loss(self, voices: Tensor) -> Tensor:
        """Return how ill speech that is converted to the voice of the next window's speaker is told to be his (nats).

        The pitch is moved to the mean of his. Speaker vectors and classifier judge, and do not learn from it: only the
        decoder does (the speaker consistency loss of Casanova et al., "YourTTS", 2022)."""
        count = max(1, round(self.options.conversion_share * len(voices)))
        voiced = self.contour > 0
        means = self.contour.sum(1) / voiced.sum(1).clamp(min=1)  # 0 where nothing is voiced
        known = (means > 0) & (means.roll(-1) > 0)
        moved = self.contour + voiced * (known * (means.roll(-1) - means))[:, None]
        with self._autocast():
            made = self.decoder(self.vectors[:count], moved[:count], voices.roll(-1, 0)[:count], self.starts[:count])
            judge = {name: one.detach() for name, one in self.decoder.reference.named_parameters()}
            told = torch.func.functional_call(self.decoder.reference, judge, (made,))
            logits = F.linear(told, self.classifier.weight.detach(), self.classifier.bias.detach())
        return F.cross_entropy(logits.float(), self.speakers.roll(-1)[:count])

    def _autocast(self) -> torch.autocast:
        # Cached casts would outlive the graph that made them.
        on_gpu = self.device.type == "cuda"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu, cache_enabled=False)

    def run(self, minutes: float, out: str | Path, say: Callable[[str], None] = print) -> None:
        """Train for `minutes`, and write the decoder to `out` now and then and at the end.

        Where `out` holds one of the same kind, training goes on from it: its weights, its step, the share of time that
        was over. Raises `CheckpointError` where it is of another configuration.
        """
        out = Path(out)
        if out.is_file():
            self.load(out)
            say(f"going on from step {self.step} of {out}")
        began_with, warm = self.done, self.step
        self.decoder.train()
        self.draw_windows()
        step = capture_step(self.take_step, self.device)
        begin = said = saved = time.perf_counter()
        while True:
            now = time.perf_counter()
            share = (now - begin) / (60 * minutes)
            if share >= 1:
                break
            self.done = began_with + (1 - began_with) * share
            self.adam.set_rate(schedule_rate(self.done, self.step - warm, self.options.rate))
            self.draw_windows()
            step()
            self.step += 1
            if self.device.type == "cuda":
                if self.step % 25:
                    continue
                torch.cuda.synchronize()
            if now - said > self.options.log_every:
                said = now
                say(self._line((self.step - warm) / (now - begin)))
            if now - saved > self.options.save_every:
                saved = now
                self.save(out)
        self.done = 1.0
        say(self._line((self.step - warm) / (time.perf_counter() - begin)))
        self.save(out)

    def _line(self, speed: float) -> str:
        spectrum, mel, told, converted = self.losses.tolist()
        line = f"step {self.step} ({speed:.1f}/s): spectrum {spectrum:.3f}, mel {mel:.3f}, speakers {told:.3f} nats"
        if self.options.conversion_weight:
            line += f", targets {converted:.3f} nats"
        return line + "".join(f"; {name} {value:.3f}" for name, value in self.evaluate().items())

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return what is measured of the dev set, the same windows at every call.

        Returns:
            {"dev spectrum", "dev mel": the losses, given the vector of another recording of the speaker; "dev nearer to
            target": share of conversions to other speakers of the dev set that are nearer to them than to the source,
            by the model's own speaker vectors}. None of it where there is no dev set.
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
                voices = self.decoder.reference(self.heard)
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
        """Write the decoder as float16, and what else it takes to go on.

        Raises `CheckpointError` where a weight is not finite; the file stays what it was."""
        tensors = {f"decoder.{name}": tensor for name, tensor in self.decoder.state_dict().items()}
        tensors |= {f"classifier.{name}": tensor for name, tensor in self.classifier.state_dict().items()}
        del tensors["decoder.speaker.weight"]  # of named voices, of which there are none yet
        halves = {name: tensor.half() for name, tensor in tensors.items()}
        if not all(tensor.isfinite().all() for tensor in halves.values()):
            raise CheckpointError(f"{path}: weights are not finite after step {self.step}; lower the rate")
        about = {**self._kind, "options": asdict(self.options), "step": self.step, "done": self.done}
        checkpoint.write(path, halves, about)

    def load(self, path: Path) -> None:
        """Take weights, step and share of time from a file that `save` wrote."""
        tensors, about = checkpoint.read(path)
        if any(about.get(name) != value for name, value in self._kind.items()):
            raise CheckpointError(f"{path} is of other data or another configuration; train to another --out")
        for prefix, module in (("decoder.", self.decoder), ("classifier.", self.classifier)):
            own = {name[len(prefix) :]: value.float() for name, value in tensors.items() if name.startswith(prefix)}
            module.load_state_dict(own, strict=False)
        self.step, self.done = about["step"], about["done"]

    @property
    def _kind(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "decoder": {"name": "source_filter", **self.decoder_options},
            "latents": self.latents.shape[2],
            "hop": self.hop,
            "speakers": self.train.names,
            **self.about,
        }


def join_voice(content: str | Path, path: str | Path) -> VQVAE:
    """Return the whole model of an encoder and the decoder that was trained on its latents, without named voices.

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


@torch.inference_mode()
def encode_pack(coder: Coder, pack: Pack, kind: str, variants: int = 1, seed: int = 0) -> tuple[Tensor, float]:
    """Return the latents of all utterances of a pack, as a decoder is conditioned on them.

    Args:
        coder: Front end, encoder and codebook.
        pack: The speech.
        kind: One of `conditioning.KINDS`.
        variants: How many latents each utterance of the training set has: those of its speech as it is, and those of
            its speech in other voices (`encode_perturbed`).
        seed: Of the other voices.

    Returns:
        float16 `(variants, samples / hop, dimension)`, end to end as the samples are, on the coder's device; the
        temperature of soft codes.
    """
    rows: Tensor | None = None
    generator = np.random.default_rng(seed)
    for i, (start, length) in enumerate(zip(pack.starts.tolist(), pack.lengths.tolist(), strict=True)):
        samples = pack.samples[start : start + length]
        found = [coder.latents_of(samples).T]
        for side in range(1, variants):
            # Smaller and larger speakers in turn.
            factor = 1 + (-1) ** side * generator.uniform(*PERTURBATION)
            found.append(encode_perturbed(coder, samples, factor) if pack.sets[i] == "train" else found[0])
        if rows is None:
            size = len(pack.samples) // coder.hop
            rows = torch.zeros(variants, size, found[0].shape[1], dtype=torch.float16, device=found[0].device)
        for side, one in enumerate(found):
            rows[side, start // coder.hop :][: len(one)] = one
    if rows is None:
        raise ShardError("the pack holds no utterance; make it again")
    some = rows[0, torch.randperm(rows.shape[1], generator=torch.Generator().manual_seed(0))[:20000].to(rows.device)]
    temperature = soft_temperature(coder.quantizer, some[some.any(1)].float())  # rows of zeros fill utterances up
    for part in rows.flatten(0, 1).split(1 << 16):
        part.copy_(condition(coder.quantizer, part.float(), kind, temperature))
    return rows, temperature


PERTURBATION = (0.06, 0.18)
"""How much smaller or larger, from least to most, the speakers are whose voices stand for others'."""


def encode_perturbed(coder: Coder, samples: np.ndarray, factor: float) -> Tensor:
    """Return the latents of an utterance as if its speaker were `factor` times as large: `(codes, dimension)`.

    The speech is played slower or faster, which lowers or raises pitch and formants alike, and its latents are moved
    back to their time. A decoder that has to make the voice of the reference of them learns that they do not tell it.
    """
    import soxr

    played = soxr.resample(samples, audio.RATE, round(audio.RATE * factor))
    found = coder.latents_of(played).float()  # (dimension, codes)
    codes = -(-len(samples) // coder.hop)
    return F.interpolate(found[None], size=codes, mode="linear", align_corners=False)[0].T


class _Places:
    """Where windows and references lie in some utterances of a pack, drawn on its device."""

    def __init__(self, pack: Pack, utterances: np.ndarray, window: int, device: torch.device):
        lengths = pack.lengths // STEP * STEP
        chosen = [int(i) for i in utterances if lengths[i] >= window]
        if not chosen:
            raise ShardError(f"no utterance of the pack has {window / audio.RATE:.2f} s; use a smaller window")
        self.names = sorted({pack.speakers[i] for i in chosen})
        number = {name: i for i, name in enumerate(self.names)}
        speakers = np.array([number[pack.speakers[i]] for i in chosen])
        seconds = np.bincount(speakers, pack.lengths[chosen] / audio.RATE)
        weights = pack.lengths[chosen] / audio.RATE * seconds[speakers] ** (_BALANCE - 1)
        lists = [np.flatnonzero(speakers == i) for i in range(len(self.names))]
        table = np.zeros((len(lists), max(map(len, lists))), dtype=np.int64)
        ranks = np.zeros(len(chosen), dtype=np.int64)
        for row, members in enumerate(lists):
            table[row, : len(members)] = members
            ranks[members] = np.arange(len(members))
        self.window, self.device = window, device
        self.starts, self.lengths, self.speakers, self.ranks, self.table, self.counts = (
            torch.from_numpy(np.asarray(one, dtype=np.int64)).to(device)
            for one in (pack.starts[chosen], lengths[chosen], speakers, ranks, table, [len(one) for one in lists])
        )
        self.weights = torch.from_numpy(weights / weights.sum()).float().to(device)

    def draw(
        self, count: int, reference: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return utterances and starts of `count` windows, and those of references of the same speakers: int64
        `(count,)` each. Windows start at multiples of `STEP`."""
        device = self.device
        utterance = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        room = (self.lengths[utterance] - self.window) // STEP + 1
        start = (torch.rand(count, device=device, generator=generator) * room).long() * STEP
        speaker = self.speakers[utterance]
        others = (self.counts[speaker] - 1).clamp(min=1)
        step = 1 + (torch.rand(count, device=device, generator=generator) * others).long()
        other = self.table[speaker, (self.ranks[utterance] + step) % self.counts[speaker]]
        same = other == utterance
        room = (self.lengths[other] - torch.where(same, self.window + reference, reference)).clamp(min=0)
        place = (torch.rand(count, device=device, generator=generator) * (room + 1)).long()
        return utterance, start, other, torch.where(same, start + self.window + place, place)
