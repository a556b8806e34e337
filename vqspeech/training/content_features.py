"""Features of whole utterances by a content encoder that is being trained, and clusters of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqspeech import loudness
from vqspeech.devices import supports_bfloat16
from vqspeech.models.coder import Coder
from vqspeech.models.content import STRIDE, ContentEncoder, scatter_steps
from vqspeech.models.frontend import MARGIN, LogMel, find_speech_frames, make_frontend, moments, to_waveforms
from vqspeech.models.quantize import make_quantizer
from vqspeech.models.quantize.search import nearest
from vqspeech.training.fitting import fit_quantizer

STEP = 320
"""Samples of a step (20 ms)."""
STACK = 17
"""Frames of MFCC (10 ms) that the first clusters are of."""
BATCH, FITS = 1 << 14, 150
"""Vectors of a step of k-means, and its steps."""
_GROUP = 640_000
"""Samples of the utterances that are encoded in one batch."""
_VECTORS = 300_000
"""Vectors that clusters and codebooks are fitted to at most."""
_JUDGES, _CLUSTERS = 100, 128
"""Utterances, and clusters, by which the layer is chosen."""
_TOLERANCE = 0.015
"""Share of the greatest consistency that a lower layer, which makes a smaller and faster encoder, may lack."""


@dataclass(frozen=True)
class Speech:
    """Utterances end to end, each between stretches of silence as long as the margin of the front end.

    Attributes:
        samples: int16 `(time,)`, as `loudness.normalise` returns them.
        starts: First sample of each utterance, a multiple of `STEP`: int64 `(utterances,)`.
        lengths: Samples of each utterance with its silence; zeros follow up to a multiple of `STEP`.
    """

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


class ContentFeatures:
    """Features of a coder's content encoder over utterances, and clusters of them.

    Args:
        model: The coder, on the device; its encoder is a `ContentEncoder`, its front end a `LogMel`.
        speech: The utterances.
        seed: Of clusters and of random warping.
        log: Receives lines of progress.
    """

    def __init__(self, model: Coder, speech: Speech, seed: int, log: Callable[[str], None]):
        self.model, self.speech, self.seed, self.log, self.device = model, speech, seed, log, model.device
        self.encoder, self.frontend = cast(ContentEncoder, model.encoder), cast(LogMel, model.frontend)
        self.samples = torch.from_numpy(speech.samples).to(self.device)
        self.groups = self._group_utterances()
        self.statistics = self._compute_statistics(self.frontend)
        self.first_step = torch.from_numpy(speech.starts // STEP).to(self.device)

    def _group_utterances(self) -> list[np.ndarray]:
        """Return batches of utterances of similar length."""
        order = np.argsort(self.speech.lengths, kind="stable")
        groups, first = [], 0
        for i in range(1, len(order) + 1):
            if i == len(order) or (i - first + 1) * self._padded_length(order[i]) > _GROUP:
                groups.append(order[first:i])
                first = i
        return groups

    def _select_groups(self, share: float) -> list[np.ndarray]:
        """Return about that share of the groups, at least one, of all lengths."""
        every = max(1, round(1 / share))
        return self.groups[min(every, len(self.groups)) // 2 :: every]

    def _padded_length(self, utterance: int) -> int:
        return -(-int(self.speech.lengths[utterance]) // STEP) * STEP

    def _stack(self, group: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the samples of a group, int16 `(batch, time)`, and the mask of those within its utterances."""
        longest = max(self._padded_length(one) for one in group)
        batch = torch.zeros(len(group), longest, dtype=torch.int16, device=self.device)
        lengths = torch.tensor([self._padded_length(one) for one in group], device=self.device)
        for row, one in enumerate(group):
            start = int(self.speech.starts[one])
            batch[row, : self._padded_length(one)] = self.samples[start : start + self._padded_length(one)]
        return batch, torch.arange(longest, device=self.device) < lengths[:, None]

    @torch.no_grad()
    def _compute_statistics(self, front: LogMel) -> Tensor:
        """Return mean and deviation of the front end's channels in each utterance, `(utterances, 2, channels)`."""
        statistics: list[Tensor | None] = [None] * len(self.speech)
        for group in self.groups:
            wave = to_waveforms(self._stack(group)[0])
            static = front.static(front.spectra(wave), front.filters).double()
            speech = find_speech_frames(wave)
            for row, one in enumerate(group):
                part = static[row][:, speech[row]]
                statistics[one] = moments(part.sum(1), part.square().sum(1), torch.tensor(part.shape[1]))
        return torch.stack(cast(list[Tensor], statistics)).to(self.device)

    @torch.no_grad()
    def stack_mfcc(self) -> tuple[Tensor, Tensor]:
        """Return stacks of MFCC around each step that holds speech, `(vectors, 13 * STACK)`, and those steps, int64."""
        front = cast(LogMel, make_frontend("cepstra")).to(self.device)
        statistics = self._compute_statistics(front)
        vectors, steps = [], []
        for group in self.groups:
            batch, mask = self._stack(group)
            frames = front(batch, mask, statistics[torch.from_numpy(group).to(self.device)])
            speech = (frames != 0).any(1).unflatten(1, (-1, STRIDE)).any(2)
            stacked = F.pad(frames, (STACK // 2, STACK // 2)).unfold(2, STACK, STRIDE)  # (batch, 13, steps, STACK)
            vectors.append(stacked.permute(0, 2, 1, 3).flatten(2)[speech])
            steps.append(self._locate_steps(group, speech))
        return torch.cat(vectors), torch.cat(steps)

    def _locate_steps(self, group: np.ndarray, speech: Tensor) -> Tensor:
        """Return the indices, among the steps of all utterances, of those marked in bool `(batch, time)` of a group."""
        first = self.first_step[torch.from_numpy(group).to(self.device)]
        return (first[:, None] + torch.arange(speech.shape[1], device=self.device))[speech]

    @torch.no_grad()
    def compute_features(self, layers: Sequence[int], groups: Sequence[np.ndarray], warp: bool = False) -> list[Tensor]:
        """Return standardised features of the speech in groups of utterances, for each layer float16 `(steps, width)`.

        Args:
            layers: Numbers of the layers, from 1.
            groups: Utterances, as in `groups`.
            warp: Stretch the frequency axis of each utterance at random, by the same factors at every call.
        """
        self.encoder.eval()
        self.frontend.train(warp)
        if warp:
            torch.manual_seed(self.seed)
        found: list[list[Tensor]] = [[] for _ in layers]
        for group in groups:
            batch, mask = self._stack(group)
            frames = self.frontend(batch, mask, self.statistics[torch.from_numpy(group).to(self.device)])
            with self.autocast():
                steps, speech = self.encoder.steps(frames, mask[:, :: self.frontend.hop])
                outputs, order, valid = self.encoder.transform(steps, speech, max(layers))
            for part, layer in zip(found, layers, strict=True):
                whole = scatter_steps(outputs[layer - 1].float() * valid[:, :, None], order, steps.shape[1])
                part.append(self.encoder.standardise(whole.transpose(1, 2)).transpose(1, 2)[speech].half())
        self.frontend.eval()
        return [torch.cat(part) for part in found]

    @torch.no_grad()
    def find_speech_steps(self, groups: Sequence[np.ndarray]) -> Tensor:
        """Return the indices of the steps of `compute_features`, int64 `(steps,)`."""
        places = []
        for group in groups:
            batch, mask = self._stack(group)
            frames = self.frontend(batch, mask, self.statistics[torch.from_numpy(group).to(self.device)])
            places.append(self._locate_steps(group, self.encoder.steps(frames, mask[:, :: self.frontend.hop])[1]))
        return torch.cat(places)

    def fit_clusters(self, vectors: Tensor, count: int) -> Tensor:
        """Return the centres of `count` clusters of vectors `(vectors, dimension)`, by k-means."""
        some = self.sample_vectors(vectors)
        book = make_quantizer("kmeans", count, vectors.shape[1], decay=1.0).to(self.device)
        return fit_quantizer(book, some, FITS, min(BATCH, len(some)), seed=self.seed).weight.detach()

    def sample_vectors(self, vectors: Tensor) -> Tensor:
        """Return random vectors, as many as clusters are fitted to at most: float32 `(vectors, dimension)`."""
        generator = torch.Generator().manual_seed(self.seed)
        rows = torch.randperm(len(vectors), generator=generator)[:_VECTORS]
        return vectors[rows.to(vectors.device)].float()

    def choose_layer(self) -> int:
        """Return the lowest layer of the upper two thirds whose clusters are nearly the most consistent when warped.

        The criterion is the mutual information (nats) between the clusters of utterances and of the same utterances
        with the frequency axis stretched: it is large where clusters are fine and independent of the speaker. A layer
        may have `_TOLERANCE` less of it than the best. No label is used.
        """
        layers = list(range(-(-len(self.encoder.blocks) // 3), len(self.encoder.blocks) + 1))
        groups = self._select_groups(_JUDGES / len(self.speech))
        plain, warped = (self.compute_features(layers, groups, warp) for warp in (False, True))
        found = {}
        for layer, one, other in zip(layers, plain, warped, strict=True):
            centres = self.fit_clusters(one, _CLUSTERS)
            found[layer] = mutual_information(nearest(one, centres), nearest(other, centres), _CLUSTERS)
        best = min(layer for layer in layers if found[layer] >= (1 - _TOLERANCE) * max(found.values()))
        self.log("nats across vocal tracts: " + ", ".join(f"layer {k} {v:.3f}" for k, v in found.items()) + f": {best}")
        return best

    def set_moments(self) -> None:
        """Set the mean and deviation by which the features of short utterances are standardised."""
        self.encoder.eval()
        raw = self.compute_code_features(self.encoder.features)
        self.encoder.mean.copy_(raw.mean(0))
        self.encoder.deviation.copy_(raw.std(0))

    @torch.no_grad()
    def compute_code_features(self, encode: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return what `encode` returns for the speech of as many utterances as codebooks are fitted to.

        Args:
            encode: Maps frames `(batch, channels, time)` and their mask to `(batch, latents, codes)`.

        Returns:
            `(codes, latents)`, at the rate of the codes.
        """
        parts = []
        for group in self._select_groups(_VECTORS * self.model.hop / len(self.speech.samples)):
            batch, mask = self._stack(group)
            spare = -batch.shape[1] % self.model.hop
            batch, mask = F.pad(batch, (0, spare)), F.pad(mask, (0, spare))
            frames = self.frontend(batch, mask, self.statistics[torch.from_numpy(group).to(self.device)])
            with self.autocast():
                z = encode(frames, mask[:, :: self.frontend.hop]).transpose(1, 2)
            parts.append(z[(z != 0).any(2)])
        return torch.cat(parts).float()

    def autocast(self) -> torch.autocast:
        """Return the context of mixed precision: bfloat16 where the device multiplies it fast."""
        # Cached casts would outlive the CUDA graph that made them.
        enabled = supports_bfloat16(self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)


def mutual_information(one: Tensor, other: Tensor, size: int) -> float:
    """Return the mutual information of two codings of the same steps, int `(steps,)` of `size` codes each, in nats."""
    joint = torch.bincount(one * size + other, minlength=size * size).double().view(size, size) / len(one)
    apart = joint.sum(1, keepdim=True) * joint.sum(0)
    there = joint > 0
    return float((joint[there] * (joint[there] / apart[there]).log()).sum())
