"""The same WaveNet written down as its equations are read: what the toolkit's decoder is timed against.

`NaiveSampler` is how it is commonly sampled from in PyTorch: a queue of past inputs a layer, so that nothing is
computed twice, and the layers of the network applied to one time step.

A convolution each for filter, gate, residual and skip of every layer; the skips added up layer by layer; the latents
repeated up to the sample rate and projected there, once a layer and path.
"""

from collections import deque
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import audio
from vqspeech.data.windows import SpeechBatch
from vqspeech.models.decoders import WaveNet


class NaiveLayer(nn.Module):
    """One gated layer; `last` has no residual path, as in ours."""

    def __init__(self, residual: int, skip: int, condition: int, dilation: int, last: bool):
        super().__init__()
        self.dilation = dilation
        self.filter = nn.Conv1d(residual, residual, 2, dilation=dilation)
        self.gate = nn.Conv1d(residual, residual, 2, dilation=dilation)
        self.filter_condition = nn.Conv1d(condition, residual, 1)
        self.gate_condition = nn.Conv1d(condition, residual, 1)
        self.residual = None if last else nn.Conv1d(residual, residual, 1)
        self.skip = nn.Conv1d(residual, skip, 1)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Map x `(batch, residual, time)` and condition `(batch, condition, time)` to the next x and the skip."""
        padded = F.pad(x, (self.dilation, 0))
        filters = torch.tanh(self.filter(padded) + self.filter_condition(condition))
        gates = torch.sigmoid(self.gate(padded) + self.gate_condition(condition))
        h = filters * gates
        return (x if self.residual is None else x + self.residual(h)), self.skip(h)


class NaiveWaveNet(nn.Module):
    """The network and the weights of a `WaveNet`, in the plain form; `loss` as there."""

    def __init__(self, ours: WaveNet):
        super().__init__()
        skip = ours.skip.out_channels
        width, condition = ours.embedding.embedding_dim, ours.speaker.embedding_dim
        self.hop = ours.hop
        self.embedding = nn.Embedding(audio.LEVELS, width)
        self.layers = nn.ModuleList(
            NaiveLayer(width, skip, condition, layer.dilation, layer.residual is None) for layer in ours.layers
        )
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.logits = nn.Conv1d(skip, audio.LEVELS, 1)
        self.smooth = nn.Conv1d(ours.smooth.in_channels, condition, 3, padding=1)
        self.speaker = nn.Embedding(ours.speaker.num_embeddings, condition)
        self._copy(ours)

    @torch.no_grad()
    def _copy(self, ours: WaveNet) -> None:
        for name in ("embedding", "hidden", "logits", "smooth", "speaker"):
            getattr(self, name).load_state_dict(getattr(ours, name).state_dict())
        width = self.embedding.embedding_dim
        projections = list(
            zip(ours.project.weight.split(width), cast(Tensor, ours.project.bias).split(width), strict=True)
        )
        skips = ours.skip.weight.split(width, 1)
        pairs: list[tuple[Any, Tensor, Tensor]] = []
        layers = cast(Any, list(zip(self.layers, ours.layers, strict=True)))
        for i, (mine, layer) in enumerate(layers):
            gated = list(zip(layer.gated.weight.split(width), layer.gated.bias.split(width), strict=True))
            pairs += [(mine.filter, *gated[0]), (mine.gate, *gated[1])]
            pairs += [(mine.filter_condition, *projections[2 * i]), (mine.gate_condition, *projections[2 * i + 1])]
            pairs += [(mine.skip, skips[i], cast(Tensor, ours.skip.bias) / len(self.layers))]
            if mine.residual is not None:
                pairs += [(mine.residual, layer.residual.weight, layer.residual.bias)]
        for convolution, weight, bias in pairs:
            convolution.weight.copy_(weight)
            convolution.bias.copy_(bias)

    def forward(self, samples: Tensor, latents: Tensor, speakers: Tensor) -> Tensor:
        """Return the logits `(batch, 256, time)` of samples, uint8 `(batch, time)`."""
        condition = F.relu(self.smooth(latents) + self.speaker(speakers)[:, :, None]).repeat_interleave(self.hop, 2)
        x = self.embedding(F.pad(samples[:, :-1], (1, 0), value=audio.MIDPOINT).long()).transpose(1, 2)
        total = torch.zeros((), device=x.device)
        for layer in self.layers:
            x, skip = layer(x, condition)
            total = total + skip
        return self.logits(F.relu(self.hidden(F.relu(total))))

    def loss(self, latents: Tensor, speakers: Tensor, batch: SpeechBatch) -> dict[str, Tensor]:
        """Return {"nll": cross-entropy in nats per sample}."""
        logits = self(batch.samples, latents, speakers).float()
        nll = F.cross_entropy(logits, batch.samples.long(), reduction="none")
        valid = torch.arange(nll.shape[1], device=nll.device) < batch.lengths[:, None]
        return {"nll": (nll * valid).sum() / valid.sum()}


class NaiveSampler:
    """Samples of a `NaiveWaveNet`, one by one."""

    def __init__(self, network: NaiveWaveNet):
        self.network = network

    @torch.inference_mode()
    def __call__(self, latents: Tensor, speakers: Tensor, uniforms: Tensor) -> Tensor:
        """Sample levels `(batch, time)` by uniforms `(batch, time)`, as the toolkit does."""
        net, width = self.network, self.network.embedding.embedding_dim
        condition = F.relu(net.smooth(latents) + net.speaker(speakers)[:, :, None]).repeat_interleave(net.hop, 2)
        layers = [cast(NaiveLayer, layer) for layer in net.layers]
        empty = torch.zeros(len(latents), width, 1)
        queues = [deque([empty] * layer.dilation) for layer in layers]
        sample, drawn = torch.full((len(latents),), audio.MIDPOINT), []
        for step in range(uniforms.shape[1]):
            x, now = net.embedding(sample)[:, :, None], condition[:, :, step : step + 1]
            total = torch.zeros(())
            for layer, queue in zip(layers, queues, strict=True):
                pair = torch.cat([queue.popleft(), x], 2)
                queue.append(x)
                filters = F.conv1d(pair, layer.filter.weight, layer.filter.bias) + layer.filter_condition(now)
                gates = F.conv1d(pair, layer.gate.weight, layer.gate.bias) + layer.gate_condition(now)
                h = torch.tanh(filters) * torch.sigmoid(gates)
                total = total + layer.skip(h)
                x = x if layer.residual is None else x + layer.residual(h)
            odds = F.softmax(net.logits(F.relu(net.hidden(F.relu(total))))[:, :, 0], 1).cumsum(1)
            sample = (odds <= uniforms[:, step : step + 1] * odds[:, -1:]).sum(1).clamp(max=audio.LEVELS - 1)
            drawn.append(sample)
        return torch.stack(drawn, 1)
