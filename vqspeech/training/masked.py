"""Training of a content encoder by masked prediction of clusters (HuBERT, Hsu et al., 2106.07447), without labels.

Spans of steps are masked, and the encoder predicts from their context which cluster each masked step belongs to. The
clusters of the first round are those of MFCC after linear discriminant analysis (`training.clustering`); those of later
rounds are of the encoder's own features. The input is perturbed, the targets are not, so that the features become
invariant to vocal tract length, channel and noise. A training has a budget of time, not of steps.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.data.dump import Shards
from vqspeech.errors import CheckpointError, ConfigError
from vqspeech.metrics.reports.scores import this_command
from vqspeech.models import checkpoint
from vqspeech.models.coder import Coder
from vqspeech.models.content import ContentEncoder
from vqspeech.models.frontend import LogMel
from vqspeech.models.quantize.search import nearest
from vqspeech.progress import report
from vqspeech.schema import Codes, Count, NonNegative, Options, Positive, Range, check_groups
from vqspeech.training.capture import ClippedAdam, capture_step, schedule_rate
from vqspeech.training.clustering import fit_discriminant, measure_codebook
from vqspeech.training.content_features import BATCH, FITS, STACK, STEP, ContentFeatures, Speech
from vqspeech.training.fitting import fit_quantizer

_DIRECTIONS, _TURNS = 24, 3
"""Directions that stacks of MFCC are projected to, and how often both projection and clusters are fitted."""
_WARM_UP = 0.08
"""Share of the time of a round in which the learning rate rises at most."""
_CURVES = 4
"""Cosines along the frequency axis that a random channel is made of."""


@dataclass(frozen=True)
class MaskedOptions:
    """Options of the group `training`; conf/training/masked.yaml describes each."""

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
    found = check_groups(config, {**Coder.groups, "training": Options(MaskedOptions)}, exclusive=True)
    training = found["training"]
    if min(len(training["coarse"]), len(training["fine"])) < training["rounds"]:
        raise ConfigError(
            f"training.rounds={training['rounds']}: training.coarse and training.fine name the clusters of fewer; give "
            "one number for each round"
        )
    return Coder.check_config(found)


class MaskedTraining(ContentFeatures):
    """Train the content encoder of a coder on speech.

    Args:
        config: Configuration of the coder and its training (groups `frontend`, `encoder`, `quantizer`, `training`).
        speech: The utterances to learn from.
        device: Where to train.
        log: Receives lines of progress.

    Raises:
        ConfigError: The configuration is not of a content encoder on log-mel frames.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        speech: Speech,
        device: str | torch.device = "cpu",
        log: Callable[[str], None] = report,
    ):
        self.config = check_config(config)
        self.options = MaskedOptions(**self.config["training"])
        torch.manual_seed(self.options.seed)
        model = Coder({name: group for name, group in self.config.items() if name != "training"})
        model = model.to(torch.device(device))
        if not isinstance(model.encoder, ContentEncoder) or not isinstance(model.frontend, LogMel):
            raise ConfigError("masked prediction trains encoder=content on log-mel frames; choose such groups")
        super().__init__(model, speech, self.options.seed, log)
        self.window = round(self.options.seconds * audio.RATE) // STEP * STEP
        self.round, self.step, self.history = 0, 0, []
        self.sources: dict[str, str] = {}
        self.heads = nn.ModuleList()

    # Targets

    def compute_targets(self) -> Tensor:
        """Return the two clusters of each step that this round predicts, int64 `(steps, 2)`; -1: no speech."""
        sizes = self.options.coarse[self.round], self.options.fine[self.round]
        if self.round == 0:
            windows, places = self.stack_mfcc()
            some = self.sample_vectors(windows)
            projected = some.unflatten(1, (-1, STACK))[:, :, STACK // 2]
            for _ in range(_TURNS):
                classes = nearest(projected, self.fit_clusters(projected, sizes[0]))
                matrix, mean = fit_discriminant(some, classes, _DIRECTIONS)
                projected = (some - mean) @ matrix
            vectors = (windows - mean) @ matrix
        else:
            [vectors] = self.compute_features([self.encoder.layer], self.groups)
            places = self.find_speech_steps(self.groups)
        found = torch.full((len(self.samples) // STEP, 2), -1, dtype=torch.long, device=self.device)
        for head, size in enumerate(sizes):
            found[places, head] = nearest(vectors, self.fit_clusters(vectors, size))
        return found

    # Learning

    def run(self, out: str | Path | None = None) -> None:
        """Train all rounds, each for its share of the time, including its targets and its codebook.

        A training that was interrupted starts again with the round it was in.

        Args:
            out: Where the checkpoint is written after each round, with a copy round-1.safetensors … in the same folder.
        """
        if self.round >= self.options.rounds:
            self.fit_codebook()
        seconds, fitting = 60 * self.options.minutes / self.options.rounds, 0.0
        while self.round < self.options.rounds:
            began = time.perf_counter()
            targets = self.compute_targets()
            self.log(f"round {self.round + 1}: targets after {time.perf_counter() - began:.0f} s")
            self._learn(targets, seconds - (time.perf_counter() - began) - fitting)
            self.round += 1
            ended = time.perf_counter()
            self.finish()
            fitting = time.perf_counter() - ended
            self.log(f"round {self.round}: codebook after {fitting:.0f} s")
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
        begin, logged, taken = time.perf_counter(), time.perf_counter(), 0
        while (now := time.perf_counter()) - begin < seconds:
            done = (now - begin) / seconds
            adam.set_rate(schedule_rate(done, taken, options.lr, 300, 0.5, least=done / _WARM_UP))
            draw()
            step()
            taken += 1
            if taken % 25 == 0 and now - logged > 15:
                logged = now
                coarse, fine = shown.tolist()
                speed = taken / (time.perf_counter() - begin)
                self.log(
                    f"round {self.round + 1}, step {taken}: {coarse:.3f} and {fine:.3f} nats; {speed:.1f} steps/s, "
                    f"{speed * count * self.options.seconds:,.0f} s of speech a second"
                )
        self.step += taken
        coarse, fine = shown.tolist()
        if not math.isfinite(coarse + fine):
            raise ConfigError(f"round {self.round + 1}: the loss is not finite; lower training.lr")
        self.history.append({"round": self.round + 1, "steps": taken, "coarse": coarse, "fine": fine})
        if taken:
            self.log(f"round {self.round + 1} ends: {taken} steps, {coarse:.3f} and {fine:.3f} nats")
        else:
            self.log(f"round {self.round + 1}: its targets took all its time; raise training.minutes")

    def compute_losses(self, samples: Tensor, inside: Tensor, statistics: Tensor, wanted: Tensor) -> Tensor:
        """Return the cross-entropies of a batch of windows (nats).

        Args:
            samples: int16 `(batch, time)`.
            inside: bool `(batch, time)`, samples that are of the utterance.
            statistics: `(batch, 2, channels)` of the front end.
            wanted: int64 `(batch, time / STEP, 2)`, the clusters, -1 where there are none.

        Returns:
            `(2, heads)`: the mean of each head over the masked steps that hold speech, and over those not masked.
        """
        options = self.options
        with torch.no_grad():
            frames = self.perturb(self.frontend(samples, inside, statistics))
            begins = torch.rand(wanted.shape[:2], device=wanted.device) < options.share
            hidden = F.max_pool1d(F.pad(begins.float(), (options.span - 1, 0))[:, None], options.span, 1)[:, 0] > 0
        with self.autocast():
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
        """Return frames `(batch, channels, time)` with random channels and noise added; silence stays as it is."""
        batch, channels, _ = frames.shape
        bands = (torch.arange(channels, device=frames.device) + 0.5) / channels
        curves = torch.cos(math.pi * torch.arange(1, _CURVES + 1, device=frames.device)[:, None] * bands)
        weights = self.options.channel * torch.randn(batch, _CURVES, device=frames.device)
        strength = self.options.noise * torch.rand(batch, 1, 1, device=frames.device)
        changed = frames + (weights @ curves)[:, :, None] + strength * torch.randn_like(frames)
        return changed * (frames != 0).any(1, keepdim=True)

    # Results

    @torch.no_grad()
    def finish(self) -> None:
        """Choose the layer of the features and fit the codebook to them."""
        self.encoder.layer = self.choose_layer()
        self.fit_codebook()

    @torch.no_grad()
    def fit_codebook(self) -> None:
        """Fit the codebook to the features of the chosen layer, at the rate of the codes."""
        self.set_moments()
        z = self.sample_vectors(self.compute_code_features(self.encoder))
        torch.manual_seed(self.options.seed)
        fit_quantizer(self.model.quantizer, z, 2 * FITS, min(BATCH, len(z)), seed=self.options.seed)
        self.model.eval()

    def export_coder(self) -> Coder:
        """Return the finished coder on the CPU, without the layers above the chosen one."""
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
            path: The file to write; its tensors are NAME.mean, NAME.deviation, and NAME.0, NAME.1 … `(codes, latents)`.
            books: By name, frames of 10 ms a code, and the number of codes of each stage; a stage after the first
                quantises what those before it leave.
        """
        tensors, hop = {}, self.encoder.hop
        for name, (frames, sizes) in books.items():
            self.encoder.hop = frames
            self.set_moments()
            tensors |= {f"{name}.mean": self.encoder.mean.clone(), f"{name}.deviation": self.encoder.deviation.clone()}
            rest = self.sample_vectors(self.compute_code_features(self.encoder))
            for stage, size in enumerate(sizes):
                centres = self.fit_clusters(rest, size)
                rest = rest - centres[nearest(rest, centres)]
                tensors[f"{name}.{stage}"] = centres
        self.encoder.hop = hop
        self.set_moments()
        checkpoint.write(path, tensors, {"books": {name: [hop, list(sizes)] for name, (hop, sizes) in books.items()}})

    def save(self, path: str | Path) -> None:
        """Write the coder, the heads and what a resumed training needs to one file.

        Raises:
            CheckpointError: A weight is not finite; the file stays as it was.
        """
        tensors = checkpoint.collect_weights(self.model)
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
        """Resume from a file of `save`.

        Raises:
            CheckpointError: The file is of another encoder, or of no such training.
        """
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
    log: Callable[[str], None],
    restart: bool = False,
) -> dict[str, float]:
    """Train the content encoder of `config` on a dump, and write its coder to `out`/best.safetensors.

    The training resumes from `out`/last.safetensors with the round after its last, or else starts from
    `training.start`. A checkpoint that has all its rounds gets a new codebook and nothing else.

    Args:
        config: Configuration of the coder and its training.
        train: The dump to learn from.
        dev: The dump that the figures are measured on.
        out: Folder of the experiment.
        log: Receives lines of progress.
        restart: Start again, whatever is in `out`.

    Returns:
        Figures of `dev`: share of the features' variance that the codes do not explain, perplexity, codes used.

    Raises:
        ConfigError: The configuration is of another model, or `out` was trained on other data.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    training = MaskedTraining(config, Speech.join(train.samples(i) for i in range(len(train))), device, log)
    training.sources = {"train": train.fingerprint}
    last = Path(out) / f"last{checkpoint.SUFFIX}"
    if last.is_file() and not restart:
        learned = checkpoint.read(last, "none.")[1].get("sources", {}).get("train", train.fingerprint)
        if learned != train.fingerprint:
            raise ConfigError(
                f"{last}: was trained on other data; --restart trains from the start; or choose another --out"
            )
        training.load(last)
    elif training.options.start:
        training.load(training.options.start)
    training.run(last)
    model = training.export_coder()
    z = torch.cat([model.encode_latents(dev.samples(i)).T for i in range(len(dev))])
    z = z[(z != 0).any(1)]
    figures = measure_codebook(model.quantizer, z) | {"samples_seen": float(train.length.sum())}
    about = {"step": training.step, "figures": figures, "training": training.config["training"]}
    model.save_pretrained(Path(out) / f"best{checkpoint.SUFFIX}", **about, command=this_command())
    return figures
