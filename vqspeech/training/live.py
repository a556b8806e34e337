"""Training of the live encoder, a small causal model that is distilled from the content encoder.

The encoder predicts the latents of a content encoder, by their distance and by the cluster they lie in. The targets
average in the latents of the same speech in other voices (`packs.encode_perturbed`), so that what is learned depends
less on the speaker.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.data.pack import Pack
from vqspeech.errors import CheckpointError, ShardError
from vqspeech.models import checkpoint
from vqspeech.models.decoders import SourceFilter
from vqspeech.models.live import BLOCK
from vqspeech.models.live.encoder import LiveEncoder
from vqspeech.models.live.frontend import FRAMES, MELS, LiveFrontend
from vqspeech.models.live.model import Live
from vqspeech.training import voices
from vqspeech.training.capture import schedule_rate
from vqspeech.training.live_features import compute_pack_features, fit_frontend
from vqspeech.training.timed import TimedOptions, TimedTraining

KIND = "live"
"""The kind that a saved file is marked with."""
_OWN = 0.5  # weight of the latents of the original speech in a target
_CLUSTERS = 0.3  # weight of the classification of clusters
_WARM_UP = 100  # steps


@dataclass(frozen=True)
class LiveOptions(TimedOptions):
    """How the live encoder and the tracker are trained."""


class LiveTraining(TimedTraining[LiveOptions]):
    """Training of a network for a given time on windows of a pack."""

    name: str

    def __init__(self, pack: Pack, options: LiveOptions, network: nn.Module, device: str | torch.device):
        self.pack, self.options, self.device = pack, options, torch.device(device)
        self.network = network.to(self.device)
        self.losses = torch.zeros(1)
        parameters = [*self.network.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, options.rate, (0.9, 0.98), weight_decay=0.01)
        self.blocks = round(options.seconds * audio.RATE) // BLOCK
        self.generator = np.random.default_rng(options.seed)
        train = [i for i in pack.select("train").tolist() if pack.lengths[i] >= BLOCK * self.blocks // 2]
        if not train:
            raise ShardError(f"no utterance of the pack has {options.seconds / 2:g} s; use a smaller window")
        self.train, self.dev = np.array(train), pack.select("dev")
        self.weights = pack.lengths[self.train] / pack.lengths[self.train].sum()

    @abstractmethod
    def compute_losses(self) -> Tensor:
        """Return the losses of a batch of windows, whose sum is minimised: `(losses,)`."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Return figures of the dev set by name."""

    def draw_windows(self) -> list[tuple[int, int]]:
        """Draw windows: the utterance and the first block of each."""
        chosen = self.generator.choice(self.train, self.options.batch, p=self.weights)
        blocks = -(-self.pack.lengths[chosen] // BLOCK)
        starts = (self.generator.random(len(chosen)) * np.maximum(1, blocks - self.blocks + 1)).astype(int)
        return [*zip(chosen.tolist(), starts.tolist(), strict=True)]

    def begin(self) -> Callable[[int], None]:
        """Return the function that takes a step, given how many this run has taken."""
        return self.take_step

    def take_step(self, taken: int) -> None:
        """Take one optimiser step; `taken` steps of this run came before."""
        for group in self.optimizer.param_groups:
            group["lr"] = schedule_rate(self.done, taken, self.options.rate, _WARM_UP)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            losses = self.compute_losses()
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.losses = losses.detach()

    def describe(self, speed: float) -> str:
        """Return a line of progress: the losses of the last step, and the figures of the dev set."""
        self.network.eval()
        found = "".join(f"; {name} {value:.4f}" for name, value in self.evaluate().items())
        losses = " ".join(f"{loss:.3f}" for loss in self.losses.tolist())
        return f"{self.name} step {self.step} ({speed:.2f}/s): {losses}{found}"

    @property
    def kind(self) -> dict[str, Any]:
        """Description that a file must have for training to resume from it."""
        return {"kind": f"{KIND} {self.name}"}

    def save(self, path: Path) -> None:
        """Write the network, with what a resumed training needs."""
        about = {**self.kind, "step": self.step, "done": self.done}
        checkpoint.write(path, self.network.state_dict(), about)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the network."""
        self.network.load_state_dict(tensors)


class EncoderTraining(LiveTraining):
    """Train a `LiveEncoder` on the latents of a pack.

    Args:
        pack: The speech.
        latents: As `packs.encode_pack` returns them, kind "continuous": `(variants, samples / BLOCK, dimension)`.
        codebook: Means of clusters of the latents `(codes, dimension)`, as `fit_clusters` returns them.
        frontend: The front end; its mean and deviation are set to those of the pack's speech.
        encoder: Options of the encoder.
        options: How it is trained.
        device: Where to train.
    """

    name = "encoder"

    def __init__(
        self,
        pack: Pack,
        latents: Any,
        codebook: Tensor,
        frontend: LiveFrontend,
        encoder: dict[str, Any] | None = None,
        options: LiveOptions | None = None,
        device: str | torch.device = "cpu",
    ):
        options = options or LiveOptions()
        torch.manual_seed(options.seed)
        self.encoder_options = dict(encoder or {})
        network = _Student(frontend, LiveEncoder(**{"latents": codebook.shape[1], **self.encoder_options}), codebook)
        super().__init__(pack, options, network, device)
        self.latents, self.student = latents, network
        fit_frontend(frontend, pack)
        self.features = compute_pack_features(frontend, pack)

    @property
    def kind(self) -> dict[str, Any]:
        """Description that a file must have for training to resume from it."""
        return {**super().kind, "encoder": self.encoder_options}

    def read_target(self, utterance: int, start: int, stop: int) -> Tensor:
        """Return the target latents of blocks of an utterance, `(stop - start, dimension)`."""
        first = int(self.pack.starts[utterance]) // BLOCK
        parts = [torch.from_numpy(np.array(one[first + start : first + stop])).float() for one in self.latents]
        others = torch.stack(parts[1:]).mean(0) if len(parts) > 1 else parts[0]
        return _OWN * parts[0] + (1 - _OWN) * others

    def compute_losses(self) -> Tensor:
        """Return the losses of a batch of windows, whose sum is minimised: `(losses,)`."""
        features = torch.zeros(self.options.batch, self.blocks, FRAMES * MELS)
        targets = torch.zeros(self.options.batch, self.blocks, self.student.codebook.shape[1])
        counted = torch.zeros(self.options.batch, self.blocks, dtype=torch.bool)
        delay = self.student.encoder.delay
        for row, (i, start) in enumerate(self.draw_windows()):
            stop = min(start + self.blocks, -(-int(self.pack.lengths[i]) // BLOCK))
            first, count = int(self.pack.starts[i]) // BLOCK + start, stop - start
            features[row, :count] = self.features[first : first + count].float()
            targets[row, delay:count] = self.read_target(i, start, stop - delay)
            counted[row, delay:count] = True
        return self.student(features.to(self.device), targets.to(self.device), counted.to(self.device))

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Measure the encoder on the dev set.

        Returns:
            {"unexplained": share of the latents' variance that is not predicted; "same cluster": share of the blocks
            with speech whose latent lies in the right cluster}. Empty where there is no dev set.
        """
        wrong = whole = right = count = 0.0
        for i in self.dev.tolist():
            first, blocks = int(self.pack.starts[i]) // BLOCK, -(-int(self.pack.lengths[i]) // BLOCK)
            made = self.student.encoder(self.features[first : first + blocks].float().to(self.device).T[None])[0][0].T
            made = made[self.student.encoder.delay :].cpu()
            target = torch.from_numpy(np.array(self.latents[0][first : first + len(made)])).float()
            speech = target.any(1)
            made, target = made[speech], target[speech]
            wrong, whole = wrong + float((made - target).square().sum()), whole + float(target.square().sum())
            codes = self.student.codebook.cpu()
            nearest = [torch.cdist(one, codes).argmin(1) for one in (made, target)]
            right, count = right + float((nearest[0] == nearest[1]).sum()), count + len(made)
        return {"unexplained": wrong / max(whole, 1e-9), "same cluster": right / max(count, 1.0)} if count else {}


class _Student(nn.Module):
    """An encoder with its front end, the clusters and the sharpness of their posterior."""

    codebook: Tensor

    def __init__(self, frontend: LiveFrontend, encoder: LiveEncoder, codebook: Tensor):
        super().__init__()
        self.frontend, self.encoder = frontend, encoder
        self.register_buffer("codebook", codebook.float(), persistent=False)
        self.sharpness = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, features: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
        """Return the losses of features and targets `(batch, blocks, …)` where `counted` `(batch, blocks)` is true."""
        made = self.encoder(features.transpose(1, 2))[0].transpose(1, 2)
        with torch.autocast(made.device.type, enabled=False):
            made, wanted = made.float()[counted], targets[counted]
            distance = (made - wanted).square().mean()
            speech = wanted.any(1)
            right = torch.cdist(wanted[speech], self.codebook).argmin(1)
            scores = -torch.cdist(made[speech], self.codebook).square() * self.sharpness.exp()
            return torch.stack([distance, _CLUSTERS * F.cross_entropy(scores, right)])


def fit_clusters(latents: Any, codes: int = 500, vectors: int = 60_000, rounds: int = 12) -> Tensor:
    """Fit cluster means `(codes, dimension)` to latents of speech `(variants, codes, dimension)` by k-means."""
    drawn = np.random.default_rng(0)
    some = np.sort(drawn.choice(latents.shape[1], min(vectors, latents.shape[1]), replace=False))
    x = torch.from_numpy(np.array(latents[0][some])).float()
    x = x[x.any(1)]  # rows of zeros hold no speech
    means = x[torch.from_numpy(drawn.permutation(len(x))[:codes])]
    for _ in range(rounds):
        nearest = torch.cat([torch.cdist(part, means).argmin(1) for part in x.split(4096)])
        counts = torch.bincount(nearest, minlength=len(means))[:, None]
        means = torch.where(counts > 0, torch.zeros_like(means).index_add(0, nearest, x) / counts.clamp(min=1), means)
    return means


@torch.no_grad()
def copy_non_causal_weights(decoder: SourceFilter, weights: Mapping[str, Tensor], blocks: Sequence[int]) -> None:
    """Initialise a causal decoder with the weights of a larger one that is not causal.

    Each of its blocks takes one of the other's: the taps of the frame and of earlier frames are copied, the taps of
    later frames are added to that of the frame, and of the hidden channels the strongest are kept.

    Args:
        decoder: The causal decoder.
        weights: The state of the other one, which has the same channels, bands and voice.
        blocks: The block of the other one for each block of the causal one.
    """
    state = decoder.state_dict()
    for name in state:
        if name in weights and not name.startswith("blocks.") and state[name].shape == weights[name].shape:
            state[name].copy_(weights[name])
    for i, j in enumerate(blocks):
        own = {name.removeprefix(f"blocks.{i}."): one for name, one in state.items() if name.startswith(f"blocks.{i}.")}
        theirs = {name: weights[f"blocks.{j}.{name}"] for name in own}
        strength = theirs["expand.weight"].norm(dim=1) * theirs["project.weight"].norm(dim=0)
        kept = strength.argsort(descending=True)[: len(own["expand.weight"])]
        middle = theirs["depthwise.weight"].shape[2] // 2
        for name, one in own.items():
            given = theirs[name]
            if name.startswith("expand."):
                given = given[kept]
            elif name == "project.weight":
                given = given[:, kept]
            elif name == "depthwise.weight":
                # Taps are of frames -2 middle … 0 here, of -middle … middle there.
                given = F.pad(given[:, :, : middle + 1], (middle, 0))
                given[:, :, -1] += theirs[name][:, :, middle + 1 :].sum(2)
            one.copy_(given)


def join_live(encoder: str | Path, tracker: str | Path, decoder: str | Path) -> Live:
    """Return the live model of a trained encoder, tracker and causal decoder, without named voices.

    Raises:
        CheckpointError: A file cannot be read, or is of another part.
    """
    parts = {
        "encoder": checkpoint.read(encoder),
        "tracker": checkpoint.read(tracker),
        "decoder": checkpoint.read(decoder),
    }
    kinds = {"encoder": f"{KIND} encoder", "tracker": f"{KIND} tracker", "decoder": voices.KIND}
    for name, (_, about) in parts.items():
        if about.get("kind") != kinds[name]:
            raise CheckpointError(
                f"{encoder}, {tracker}, {decoder}: the {name} is of another kind; name files of live.py"
            )
    model = Live({name: about[name] for name, (_, about) in parts.items()}, [])
    state = {name: one for name, one in parts["encoder"][0].items() if name.startswith(("frontend.", "encoder."))}
    state |= {f"tracker.{name}": one for name, one in parts["tracker"][0].items()}
    state |= {name: one.float() for name, one in parts["decoder"][0].items() if name.startswith("decoder.")}
    missing = model.load_state_dict(state, strict=False).missing_keys
    if set(missing) > {"decoder.speaker.weight", "pitch"}:
        raise CheckpointError(f"{encoder}, {tracker}, {decoder}: a tensor is missing, {missing[0]}; train them again")
    return model.eval()
