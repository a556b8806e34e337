"""Learning a content encoder by masked prediction of clusters (HuBERT, Hsu et al., 2106.07447), from speech alone.

Spans of steps are hidden, and the encoder tells from what is around them which cluster each hidden step belongs to. The
clusters of the first round are those of MFCC, of which discriminants tell the clusters apart (`training.clustering`);
those of later rounds are of the encoder's own features. What is heard is perturbed, what is predicted is not: so the
features learn to leave out the length of a vocal tract, channel and noise. A training is given time, not steps.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio, loudness
from vqspeech.data.dump import Shards
from vqspeech.devices import supports_bfloat16
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.metrics.measures.codebook import count_used, perplexity
from vqspeech.metrics.reports.scores import this_command
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.content import STRIDE, ContentEncoder, restored
from vqspeech.models.frontend import MARGIN, LogMel, frontend, moments, speech_frames, waveforms
from vqspeech.models.quantize import quantizer
from vqspeech.models.quantize.search import nearest
from vqspeech.schema import Codes, Count, NonNegative, Options, Positive, Range, check_groups
from vqspeech.training.capture import ClippedAdam, capture_step, schedule_rate
from vqspeech.training.clustering import fit_discriminant
from vqspeech.training.fitting import fit_quantizer

STEP = 320
"""Samples of a step (20 ms)."""
_GROUP = 640_000
"""Samples of the utterances that are encoded side by side."""
_STACK, _DIRECTIONS, _TURNS = 17, 24, 3
"""Frames of MFCC that the first clusters are of, directions they are projected to, and how often both are fitted."""
_VECTORS = 300_000
"""Vectors that clusters and codebooks are fitted to at most."""
_BATCH, _FITS = 1 << 14, 150
"""Vectors of a step of k-means, and its steps."""
_WARM_UP = 0.08
"""Share of the time of a round in which the learning rate rises at most."""
_JUDGES, _CLUSTERS = 100, 128
"""Utterances, and clusters, by which the layer is chosen."""
_CURVES = 4
"""Cosines along the frequency axis that a random channel is made of."""


@dataclass(frozen=True)
class MaskedOptions:
    """How a content encoder is trained; the group `training` of its configuration says what each is."""

    seed: Annotated[int, Range(0, 1 << 62)] = 0
    minutes: Positive = 60.0
    rounds: Annotated[int, Range(1, 20)] = 3
    batch: Count = 84
    seconds: Annotated[float, Range(1, 60)] = 6.0
    lr: Positive = 1e-3
    coarse: Sequence[Codes] = (128, 256, 256)
    fine: Sequence[Codes] = (500, 1000, 1000)
    share: Annotated[float, Range(0, 1, above=True, below=True)] = 0.08
    span: Count = 10
    noise: NonNegative = 0.1
    channel: NonNegative = 0.3
    visible: NonNegative = 0.0
    start: str | None = None


def check_config(config: Any) -> dict[str, Any]:
    """Return the whole configuration, checked. Raise `ConfigError` where it describes no such training."""
    found = check_groups(config, {**Coder.groups, "training": Options(MaskedOptions)}, alone=True)
    training = found["training"]
    if min(len(training["coarse"]), len(training["fine"])) < training["rounds"]:
        raise ConfigError(
            f"training.rounds={training['rounds']}: training.coarse and training.fine name the clusters of fewer; give "
            "one number for each round"
        )
    return Coder.check_config(found)


@dataclass(frozen=True)
class Speech:
    """Utterances end to end: `samples` int16 `(time,)` as `loudness.normalise` gives them, each between stretches of
    silence as long as the front end sees beside speech. Utterance `i` begins at `starts[i]`, a multiple of `STEP`, and
    has `lengths[i]` samples, the silence among them; what follows up to a multiple of `STEP` is 0, too."""

    samples: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def join(cls, utterances: Iterator[np.ndarray]) -> "Speech":
        """Return normalised utterances `(time,)` end to end."""
        whole = [np.pad(one, MARGIN * loudness.FRAME) for one in utterances]
        lengths = np.array([len(one) for one in whole], dtype=np.int64)
        samples = np.concatenate([np.pad(one, (0, -len(one) % STEP)) for one in whole])
        starts = np.cumsum(-(-lengths // STEP) * STEP)
        return cls(samples, np.concatenate([[0], starts[:-1]]).astype(np.int64), lengths)


class MaskedTraining:
    """Learns the content encoder of a coder from speech.

    Args:
        config: Configuration of the coder and its training (groups `frontend`, `encoder`, `quantizer`, `training`).
        speech: What it learns from.
        device: Where.
        say: Where lines of progress go.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        speech: Speech,
        device: str | torch.device = "cpu",
        say: Callable[[str], None] = print,
    ):
        self.config, self.say, self.device = check_config(config), say, torch.device(device)
        self.options = MaskedOptions(**self.config["training"])
        torch.manual_seed(self.options.seed)
        self.model = Coder({name: group for name, group in self.config.items() if name != "training"}).to(self.device)
        if not isinstance(self.model.encoder, ContentEncoder) or not isinstance(self.model.frontend, LogMel):
            raise ConfigError("masked prediction trains encoder=content on log-mel frames")
        self.encoder, self.frontend = self.model.encoder, self.model.frontend
        self.speech = speech
        self.samples = torch.from_numpy(speech.samples).to(self.device)
        self.window = round(self.options.seconds * audio.RATE) // STEP * STEP
        self.groups = self._groups()
        self.statistics = self._statistics(self.frontend)
        self.first_step = torch.from_numpy(speech.starts // STEP).to(self.device)
        self.round, self.step, self.history = 0, 0, []
        self.sources: dict[str, str] = {}
        self.heads = nn.ModuleList()

    # Whole utterances

    def _groups(self) -> list[np.ndarray]:
        """Utterances of about one length, side by side."""
        order = np.argsort(self.speech.lengths, kind="stable")
        groups, first = [], 0
        for i in range(1, len(order) + 1):
            if i == len(order) or (i - first + 1) * self._filled(order[i]) > _GROUP:
                groups.append(order[first:i])
                first = i
        return groups

    def _some_groups(self, share: float) -> list[np.ndarray]:
        """About that share of the groups, and one at least, of all lengths."""
        every = max(1, round(1 / share))
        return self.groups[min(every, len(self.groups)) // 2 :: every]

    def _filled(self, utterance: int) -> int:
        return -(-int(self.speech.lengths[utterance]) // STEP) * STEP

    def _stacked(self, group: np.ndarray) -> tuple[Tensor, Tensor]:
        """Samples int16 `(batch, time)` of a group of utterances, and which of them are theirs."""
        longest = max(self._filled(one) for one in group)
        batch = torch.zeros(len(group), longest, dtype=torch.int16, device=self.device)
        lengths = torch.tensor([self._filled(one) for one in group], device=self.device)
        for row, one in enumerate(group):
            start = int(self.speech.starts[one])
            batch[row, : self._filled(one)] = self.samples[start : start + self._filled(one)]
        return batch, torch.arange(longest, device=self.device) < lengths[:, None]

    @torch.no_grad()
    def _statistics(self, front: LogMel) -> Tensor:
        """The front end's statistics of each utterance, `(utterances, 2, channels)`."""
        statistics: list[Tensor | None] = [None] * len(self.speech)
        for group in self.groups:
            wave = waveforms(self._stacked(group)[0])
            static = front.static(front.spectra(wave), front.filters).double()
            speech = speech_frames(wave)
            for row, one in enumerate(group):
                part = static[row][:, speech[row]]
                statistics[one] = moments(part.sum(1), part.square().sum(1), torch.tensor(part.shape[1]))
        return torch.stack(cast(list[Tensor], statistics)).to(self.device)

    @torch.no_grad()
    def _mfcc_windows(self) -> tuple[Tensor, Tensor]:
        """Stacks of MFCC around each step that holds speech, `(vectors, 13 * _STACK)`, and those steps int64."""
        front = cast(LogMel, frontend("cepstra")).to(self.device)
        statistics = self._statistics(front)
        vectors, steps = [], []
        for group in self.groups:
            batch, mask = self._stacked(group)
            frames = front(batch, mask, statistics[torch.from_numpy(group).to(self.device)])
            speech = (frames != 0).any(1).unflatten(1, (-1, STRIDE)).any(2)
            stacked = F.pad(frames, (_STACK // 2, _STACK // 2)).unfold(2, _STACK, STRIDE)  # (batch, 13, steps, _STACK)
            vectors.append(stacked.permute(0, 2, 1, 3).flatten(2)[speech])
            steps.append(self._places(group, speech))
        return torch.cat(vectors), torch.cat(steps)

    def _places(self, group: np.ndarray, speech: Tensor) -> Tensor:
        """The places, among the steps of all utterances, of steps bool `(batch, time)` of a group."""
        first = self.first_step[torch.from_numpy(group).to(self.device)]
        return (first[:, None] + torch.arange(speech.shape[1], device=self.device))[speech]

    @torch.no_grad()
    def compute_features(self, layers: Sequence[int], groups: Sequence[np.ndarray], warp: bool = False) -> list[Tensor]:
        """Return standardised features of the speech in groups of utterances, for each layer float16 `(steps, width)`.

        `warp` stretches the frequency axis of each utterance at random, by the same factors at every call."""
        self.encoder.eval()
        self.frontend.train(warp)
        if warp:
            torch.manual_seed(self.options.seed)
        found: list[list[Tensor]] = [[] for _ in layers]
        for group in groups:
            batch, mask = self._stacked(group)
            frames = self.frontend(batch, mask, self.statistics[torch.from_numpy(group).to(self.device)])
            with self._autocast():
                steps, speech = self.encoder.steps(frames, mask[:, :: self.frontend.hop])
                outputs, order, valid = self.encoder.transform(steps, speech, max(layers))
            for part, layer in zip(found, layers, strict=True):
                whole = restored(outputs[layer - 1].float() * valid[:, :, None], order, steps.shape[1])
                part.append(self.encoder.standardise(whole.transpose(1, 2)).transpose(1, 2)[speech].half())
        self.frontend.eval()
        return [torch.cat(part) for part in found]

    @torch.no_grad()
    def find_speech_steps(self, groups: Sequence[np.ndarray]) -> Tensor:
        """Return the places of the steps of `features`, int64 `(steps,)`."""
        places = []
        for group in groups:
            batch, mask = self._stacked(group)
            frames = self.frontend(batch, mask, self.statistics[torch.from_numpy(group).to(self.device)])
            places.append(self._places(group, self.encoder.steps(frames, mask[:, :: self.frontend.hop])[1]))
        return torch.cat(places)

    # Targets

    def fit_clusters(self, vectors: Tensor, count: int) -> Tensor:
        """Return the centres of `count` clusters of vectors `(vectors, dimension)`, by k-means."""
        some = self._sample(vectors)
        book = quantizer("kmeans", count, vectors.shape[1], decay=1.0).to(self.device)
        return fit_quantizer(book, some, _FITS, min(_BATCH, len(some)), seed=self.options.seed).weight.detach()

    def _sample(self, vectors: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.options.seed)
        rows = torch.randperm(len(vectors), generator=generator)[:_VECTORS]
        return vectors[rows.to(vectors.device)].float()

    def compute_targets(self) -> Tensor:
        """Return the two clusters of each step that this round predicts, int64 `(steps, 2)`; -1 without speech."""
        sizes = self.options.coarse[self.round], self.options.fine[self.round]
        if self.round == 0:
            windows, places = self._mfcc_windows()
            some = self._sample(windows)
            projected = some.unflatten(1, (-1, _STACK))[:, :, _STACK // 2]
            for _ in range(_TURNS):
                classes = nearest(projected, self.fit_clusters(projected, sizes[0]))
                matrix, mean = fit_discriminant(some, classes, _DIRECTIONS)
                projected = (some - mean) @ matrix
            vectors = (windows - mean) @ matrix
        else:
            [vectors], places = (
                self.compute_features([self.encoder.layer], self.groups),
                self.find_speech_steps(self.groups),
            )
        found = torch.full((len(self.samples) // STEP, 2), -1, dtype=torch.long, device=self.device)
        for head, size in enumerate(sizes):
            found[places, head] = nearest(vectors, self.fit_clusters(vectors, size))
        return found

    def choose_layer(self) -> int:
        """Return the layer, of the upper two thirds, whose clusters tell most of themselves across vocal tracts.

        That is the mutual information, in nats, between the clusters of utterances as they are and of the same ones
        with the frequency axis stretched: it is large where clusters are many and fine, and still not the speaker's. No
        label plays a part.
        """
        layers = list(range(-(-len(self.encoder.blocks) // 3), len(self.encoder.blocks) + 1))
        groups = self._some_groups(_JUDGES / len(self.speech))
        plain, warped = (self.compute_features(layers, groups, warp) for warp in (False, True))
        found = {}
        for layer, one, other in zip(layers, plain, warped, strict=True):
            centres = self.fit_clusters(one, _CLUSTERS)
            found[layer] = mutual_information(nearest(one, centres), nearest(other, centres), _CLUSTERS)
        best = max(found, key=lambda layer: found[layer])
        self.say("nats across vocal tracts: " + ", ".join(f"layer {k} {v:.3f}" for k, v in found.items()) + f": {best}")
        return best

    # Learning

    def run(self, out: str | Path | None = None) -> None:
        """Train all rounds, each for its share of the time, targets and codebook included.

        After each round the codebook is fitted. `out` is where the checkpoint goes, and a copy of it after each round,
        as round-1.safetensors … beside it. A training that was cut short begins again with the round that it was in."""
        if self.round >= self.options.rounds:
            self.fit_codebook()
        seconds, fitting = 60 * self.options.minutes / self.options.rounds, 0.0
        while self.round < self.options.rounds:
            began = time.perf_counter()
            targets = self.compute_targets()
            self.say(f"round {self.round + 1}: targets after {time.perf_counter() - began:.0f} s")
            self._learn(targets, seconds - (time.perf_counter() - began) - fitting)
            self.round += 1
            ended = time.perf_counter()
            self.finish()
            fitting = time.perf_counter() - ended
            self.say(f"round {self.round}: codebook after {fitting:.0f} s")
            if out:
                self.save(out)
                self.save(Path(out).with_name(f"round-{self.round}{checkpoint.SUFFIX}"))

    def _learn(self, targets: Tensor, seconds: float) -> None:
        options, width = self.options, self.encoder.latents
        sizes = options.coarse[self.round], options.fine[self.round]
        torch.manual_seed(options.seed + self.round)
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes).to(self.device)
        adam = ClippedAdam([*self.encoder.parameters(), *self.heads.parameters()])
        self.encoder.train()
        self.frontend.train()
        count, steps = options.batch, self.window // STEP
        samples = torch.zeros(count, self.window, dtype=torch.int16, device=self.device)
        inside = torch.zeros(count, self.window, dtype=torch.bool, device=self.device)
        statistics = torch.zeros(count, 2, self.frontend.channels, device=self.device)
        wanted = torch.zeros(count, steps, 2, dtype=torch.long, device=self.device)
        shown = torch.zeros(2, device=self.device)
        starts = torch.from_numpy(self.speech.starts).to(self.device)
        lengths = torch.from_numpy(-(-self.speech.lengths // STEP) * STEP).to(self.device)
        weights = torch.clamp(lengths, min=self.window).float()
        time_axis, step_axis = (torch.arange(n, device=self.device) for n in (self.window, steps))

        def draw() -> None:
            one = torch.multinomial(weights, count, replacement=True)
            room = (lengths[one] - self.window).clamp(min=0) // STEP + 1
            start = (torch.rand(count, device=self.device) * room).long() * STEP
            within = time_axis < (lengths[one] - start)[:, None]
            places = (starts[one] + start)[:, None] + time_axis
            inside.copy_(within)
            samples.copy_(self.samples[places.clamp(max=len(self.samples) - 1)] * within)
            statistics.copy_(self.statistics[one])
            places = ((starts[one] + start) // STEP)[:, None] + step_axis
            wanted.copy_(torch.where(within[:, ::STEP, None], targets[places.clamp(max=len(targets) - 1)], -1))

        def one_step() -> None:
            adam.optimizer.zero_grad(set_to_none=True)
            hidden, visible = self.compute_losses(samples, inside, statistics, wanted)
            (hidden + options.visible * visible).sum().backward()
            adam.step()
            shown.copy_(hidden.detach())

        draw()
        step = capture_step(one_step, self.device)
        begin = said = time.perf_counter()
        taken = 0
        while (now := time.perf_counter()) - begin < seconds:
            done = (now - begin) / seconds
            adam.set_rate(schedule_rate(done, taken, options.lr, 300, 0.5, least=done / _WARM_UP))
            draw()
            step()
            taken += 1
            if taken % 25 == 0 and now - said > 15:
                said = now
                coarse, fine = shown.tolist()
                speed = taken / (time.perf_counter() - begin)
                self.say(
                    f"round {self.round + 1}, step {taken}: {coarse:.3f} and {fine:.3f} nats; {speed:.1f} steps/s, "
                    f"{speed * count * self.options.seconds:,.0f} s of speech a second"
                )
        self.step += taken
        coarse, fine = shown.tolist()
        if not math.isfinite(coarse + fine):
            raise ConfigError(f"round {self.round + 1}: the loss is not finite; lower training.lr")
        self.history.append({"round": self.round + 1, "steps": taken, "coarse": coarse, "fine": fine})
        if taken:
            self.say(f"round {self.round + 1} ends: {taken} steps, {coarse:.3f} and {fine:.3f} nats")
        else:
            self.say(
                f"round {self.round + 1}: its targets took all its time, nothing is learned; raise training.minutes"
            )

    def compute_losses(self, samples: Tensor, inside: Tensor, statistics: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean cross-entropy of each head over the hidden steps that hold speech, and over those that are
        not hidden (nats): `(2, heads)`.

        Args:
            samples: int16 `(batch, time)`.
            inside: bool `(batch, time)`, samples that are of the utterance.
            statistics: `(batch, 2, channels)` of the front end.
            wanted: int64 `(batch, time / STEP, 2)`, the clusters, -1 where there are none.
        """
        options = self.options
        with torch.no_grad():
            frames = self.perturb(self.frontend(samples, inside, statistics))
            begins = torch.rand(wanted.shape[:2], device=wanted.device) < options.share
            hidden = F.max_pool1d(F.pad(begins.float(), (options.span - 1, 0))[:, None], options.span, 1)[:, 0] > 0
        with self._autocast():
            steps, speech = self.encoder.steps(frames, inside[:, :: self.frontend.hop])
            outputs, order, valid = self.encoder.transform(steps, speech, len(self.encoder.blocks), hidden)
            found = self.encoder.norm(outputs[-1])
            wanted = wanted.gather(1, order[:, :, None].expand(-1, -1, 2))
            known, hidden = valid & (wanted[:, :, 0] >= 0), hidden.gather(1, order)
            counts = torch.stack([known & hidden, known & ~hidden]).flatten(1).float()  # (2, batch * steps)
            losses = []
            for which, head in enumerate(self.heads):
                logits = head(found).float().flatten(0, 1)
                nats = F.cross_entropy(logits, wanted[:, :, which].clamp(min=0).flatten(), reduction="none")
                losses.append((nats * counts).sum(1) / counts.sum(1).clamp(min=1))
        return torch.stack(losses, 1)

    def perturb(self, frames: Tensor) -> Tensor:
        """Return frames `(batch, channels, time)` behind random channels and under noise; silence stays what it is."""
        batch, channels, _ = frames.shape
        bands = (torch.arange(channels, device=frames.device) + 0.5) / channels
        curves = torch.cos(math.pi * torch.arange(1, _CURVES + 1, device=frames.device)[:, None] * bands)
        weights = self.options.channel * torch.randn(batch, _CURVES, device=frames.device)
        strength = self.options.noise * torch.rand(batch, 1, 1, device=frames.device)
        changed = frames + (weights @ curves)[:, :, None] + strength * torch.randn_like(frames)
        return changed * (frames != 0).any(1, keepdim=True)

    def _autocast(self) -> torch.autocast:
        # Cached casts would outlive the graph that made them.
        enabled = supports_bfloat16(self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)

    # What comes out

    @torch.no_grad()
    def finish(self) -> None:
        """Choose the layer, and fit the codebook to its features."""
        self.encoder.layer = self.choose_layer()
        self.fit_codebook()

    @torch.no_grad()
    def fit_codebook(self) -> None:
        """Fit the codebook to the features of the layer that is chosen, at the rate of the codes."""
        self._set_moments()
        z = self._sample(self.compute_code_features(self.encoder))
        torch.manual_seed(self.options.seed)
        fit_quantizer(self.model.quantizer, z, 2 * _FITS, min(_BATCH, len(z)), seed=self.options.seed)
        self.model.eval()

    def export_coder(self) -> Coder:
        """Return the finished coder on the CPU, without the layers above the one whose output it gives."""
        config = dict(self.model.config)
        config["encoder"] = {**config["encoder"], "depth": self.encoder.layer, "layer": self.encoder.layer}
        model = Coder(config)
        state = model.state_dict()
        model.load_state_dict({name: tensor for name, tensor in self.model.state_dict().items() if name in state})
        return model.eval()

    @torch.no_grad()
    def save_codebooks(self, path: str | Path, books: Mapping[str, tuple[int, Sequence[int]]]) -> None:
        """Write more codebooks of the finished encoder's features to one file.

        Args:
            path: The file; its tensors are NAME.mean, NAME.deviation, and NAME.0, NAME.1 … `(codes, latents)`.
            books: By name, frames of 10 ms a code, and the number of codes of each stage; a stage after the first
                quantises what those before it leave.
        """
        tensors, hop = {}, self.encoder.hop
        for name, (frames, sizes) in books.items():
            self.encoder.hop = frames
            self._set_moments()
            tensors |= {f"{name}.mean": self.encoder.mean.clone(), f"{name}.deviation": self.encoder.deviation.clone()}
            rest = self._sample(self.compute_code_features(self.encoder))
            for stage, size in enumerate(sizes):
                centres = self.fit_clusters(rest, size)
                rest = rest - centres[nearest(rest, centres)]
                tensors[f"{name}.{stage}"] = centres
        self.encoder.hop = hop
        self._set_moments()
        checkpoint.write(path, tensors, {"books": {name: [hop, list(sizes)] for name, (hop, sizes) in books.items()}})

    def _set_moments(self) -> None:
        """Set what the features of short utterances are standardised by."""
        self.encoder.eval()
        raw = self.compute_code_features(self.encoder.features)
        self.encoder.mean.copy_(raw.mean(0))
        self.encoder.deviation.copy_(raw.std(0))

    @torch.no_grad()
    def compute_code_features(self, encode: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return what `encode` makes of the speech of utterances, as many as codebooks are fitted to, at the rate of
        the codes: `(codes, latents)`."""
        parts = []
        for group in self._some_groups(_VECTORS * self.model.hop / len(self.speech.samples)):
            batch, mask = self._stacked(group)
            spare = -batch.shape[1] % self.model.hop
            batch, mask = F.pad(batch, (0, spare)), F.pad(mask, (0, spare))
            frames = self.frontend(batch, mask, self.statistics[torch.from_numpy(group).to(self.device)])
            with self._autocast():
                z = encode(frames, mask[:, :: self.frontend.hop]).transpose(1, 2)
            parts.append(z[(z != 0).any(2)])
        return torch.cat(parts).float()

    def save(self, path: str | Path) -> None:
        """Write the coder, with the heads and all it takes to go on, to one file.

        Raises `CheckpointError` where a weight is not finite; the file stays what it was."""
        tensors = checkpoint.weights(self.model)
        tensors |= {f"training.heads.{name}": tensor for name, tensor in self.heads.state_dict().items()}
        # Weights alone: sums and counts of a codebook are too large for float16.
        tensors |= {f"model.{name}": parameter.half() for name, parameter in self.model.named_parameters()}
        if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
            raise CheckpointError(f"{path}: a weight is not finite or too large; the file stays as it was")
        figures = {"history": self.history, "samples_seen": float(self.speech.lengths.sum())}
        about = {"step": self.step, "round": self.round, "figures": figures, "training": self.config["training"]}
        about["sources"] = self.sources
        config = {**self.model.config, "encoder": {**self.model.config["encoder"], "layer": self.encoder.layer}}
        about |= {"config": config, "speakers": [], "command": this_command()}
        checkpoint.write(path, tensors, about)

    def load(self, path: str | Path) -> None:
        """Go on from what `save` wrote. Raises `CheckpointError` where it is of another encoder, or no such file."""
        tensors, about = checkpoint.read(path)
        if not {"round", "step", "config", "figures"} <= about.keys() or "history" not in about["figures"]:
            raise CheckpointError(
                f"{path}: holds no training by masked prediction; name a last or round-N{checkpoint.SUFFIX}"
            )
        ours = {name: group for name, group in self.config["encoder"].items() if name not in ("layer", "hop")}
        theirs = {name: group for name, group in about["config"]["encoder"].items() if name not in ("layer", "hop")}
        if ours != theirs:
            raise CheckpointError(f"{path}: its encoder is {theirs}, {ours} here; train to another file")
        kept = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.encoder.")}
        self.model.load_state_dict(kept, strict=False)
        self.round, self.step, self.encoder.layer = about["round"], about["step"], about["config"]["encoder"]["layer"]
        self.history = about["figures"]["history"]


def train_content(
    config: Mapping[str, Any],
    train: Shards,
    dev: Shards,
    out: str | Path,
    say: Callable[[str], None],
    restart: bool = False,
) -> dict[str, float]:
    """Train the content encoder of `config` on a dump, and write its coder to `out`/best.safetensors.

    `out`/last.safetensors is gone on from, with the round after its last one, or with `restart` is not; where there is
    none, `training.start` is. One that has all its rounds gets another codebook, and nothing else. Raises `ConfigError`
    where the configuration is of no such model.

    Returns:
        What is measured on `dev`: share of the features' variance that the codes leave over, perplexity, codes used.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = MaskedTraining(config, Speech.join(train.samples(i) for i in range(len(train))), device, say)
    training.sources = {"train": train.fingerprint}
    last = Path(out) / f"last{checkpoint.SUFFIX}"
    if last.is_file() and not restart:
        learned = checkpoint.read(last, "none.")[1].get("sources", {}).get("train", train.fingerprint)
        if learned != train.fingerprint:
            raise ConfigError(
                f"{last}: has learned from other data; --restart trains from the start; or choose another --out"
            )
        training.load(last)
    elif training.options.start:
        training.load(training.options.start)
    training.run(last)
    model = training.export_coder()
    z = torch.cat([model.latents_of(dev.samples(i)).T for i in range(len(dev))])
    z = z[(z != 0).any(1)]
    codes = model.quantizer.nearest(z)
    counts = torch.bincount(codes, minlength=model.quantizer.size).numpy()
    error = (z - model.quantizer.lookup(codes[None])[0].T).square().sum()
    figures = {"variance left over": float(error / (z - z.mean(0)).square().sum()), "perplexity": perplexity(counts)}
    figures |= {"used": float(count_used(counts)), "samples_seen": float(train.length.sum())}
    about = {"step": training.step, "figures": figures, "training": training.config["training"]}
    model.save_pretrained(Path(out) / f"best{checkpoint.SUFFIX}", **about, command=this_command())
    return figures


def mutual_information(one: Tensor, other: Tensor, size: int) -> float:
    """Return the mutual information of two codings of the same steps, int `(steps,)` of `size` codes each, in nats."""
    joint = torch.bincount(one * size + other, minlength=size * size).double().view(size, size) / len(one)
    apart = joint.sum(1, keepdim=True) * joint.sum(0)
    there = joint > 0
    return float((joint[there] * (joint[there] / apart[there]).log()).sum())
