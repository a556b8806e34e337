"""Training steps of the paper's CIFAR-10 VQ-VAE: ours, and the same network written down as it is commonly read."""

import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.conf.vision import load_config
from vqspeech.vision.data.batches import ImageBatch
from vqspeech.vision.models import VQVAE, build_image_model
from vqspeech.vision.models.network import ResidualBlock

SHAPE = (3, 32, 32)


class NaiveVQVAE(nn.Module):
    """Plain modules with the weights of ours.

    All distances by broadcasting, moving averages by one-hot vectors, cross-entropy over the second of five dimensions.
    """

    def __init__(self, ours: VQVAE):
        super().__init__()
        self.latents, self.dimension, self.shape = ours.latents, ours.dimension, ours.shape
        encoder, decoder = ours.encoder, ours.decoder
        layers: list[nn.Module] = []
        for convolution in encoder.convolutions:
            layers += [convolution, nn.ReLU()]
        self.encoder = nn.Sequential(*layers, *encoder.blocks, nn.ReLU(), encoder.projection)
        layers = [decoder.projection, *decoder.blocks, nn.ReLU()]
        for convolution in decoder.convolutions:
            layers += [convolution, nn.ReLU()]
        self.decoder = nn.Sequential(*layers, decoder.outputs)
        assert all(isinstance(block, ResidualBlock) for block in (*encoder.blocks, *decoder.blocks))
        self.codebook = ours.quantizer.weight.detach().clone()
        self.numbers, self.sums = torch.ones(len(self.codebook)), self.codebook.clone()
        self.beta = float(ours.config["quantizer"]["beta"])

    def forward(self, batch: ImageBatch) -> dict[str, Tensor]:
        """Return the losses by name, in nats per dimension."""
        x = batch.images.float() / 127.5 - 1
        z = self.encoder(x)
        n, _, height, width = z.shape
        grouped = z.view(n, self.latents, self.dimension, height, width).permute(0, 1, 3, 4, 2).contiguous()
        flat = grouped.view(-1, self.dimension)
        distances = flat.square().sum(1, keepdim=True) - 2 * flat @ self.codebook.t() + self.codebook.square().sum(1)
        codes = distances.argmin(1)
        one_hot = F.one_hot(codes, len(self.codebook)).float()
        chosen = (one_hot @ self.codebook).view_as(grouped)
        with torch.no_grad():
            if self.training:
                self.numbers = 0.99 * self.numbers + 0.01 * one_hot.sum(0)
                self.sums = 0.99 * self.sums + 0.01 * one_hot.t() @ flat
                self.codebook = self.sums / self.numbers[:, None].clamp(min=1e-5)
        commitment = self.beta * F.mse_loss(grouped, chosen.detach())
        chosen = grouped + (chosen - grouped).detach()
        logits = self.decoder(chosen.permute(0, 1, 4, 2, 3).reshape(n, -1, height, width))
        logits = logits.view(n, self.shape[0], 256, *self.shape[1:]).permute(0, 2, 1, 3, 4)
        return {"nll": F.cross_entropy(logits, batch.images.long()), "commitment": commitment}


def model_of() -> VQVAE:
    """Return the model with random weights, the same at every call, and a fitted codebook."""
    torch.manual_seed(0)
    groups = {group: value for group, value in load_config("cifar10_vqvae").items() if group != "training"}
    model = build_image_model(groups, SHAPE)
    assert isinstance(model, VQVAE)
    with torch.no_grad():
        model.quantizer.set_vectors(torch.arange(model.codes), 0.5 * torch.randn(model.codes, model.dimension), 1.0)
        model.quantizer.fitted.fill_(True)
    return model


def random_batch(images: int) -> ImageBatch:
    """Noise: the levels do not change what a step costs."""
    generator = torch.Generator().manual_seed(1)
    levels = torch.randint(0, 256, (images, *SHAPE), generator=generator, dtype=torch.uint8)
    return ImageBatch(levels, torch.zeros(images, dtype=torch.long))


class Step:
    """Time one training step per call, in seconds; `kind` is ours or naive, bf16 by autocast."""

    def __init__(self, kind: str, precision: str, images: int):
        model = model_of()
        self.model: nn.Module = (model if kind == "ours" else NaiveVQVAE(model)).train()
        self.kind, self.precision, self.batch = kind, precision, random_batch(images)
        lr = load_config("cifar10_vqvae")["training"]["lr"]
        self.optimizer = (
            torch.optim.AdamW(self.model.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
            if kind == "ours"
            else torch.optim.Adam(self.model.parameters(), lr=lr)
        )
        self()

    def __call__(self) -> float:
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            losses = self.model(self.batch)
        losses = losses[0] if self.kind == "ours" else losses
        torch.stack([*losses.values()]).sum().backward()
        if self.kind == "ours":
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - started


@torch.no_grad()
def difference(images: int) -> tuple[float, float]:
    """Return the largest difference between losses of ours and the naive model, and the largest loss."""
    model, batch = model_of().eval(), random_batch(images)
    ours, theirs = model(batch)[0], NaiveVQVAE(model).eval()(batch)
    return max(float((ours[name] - theirs[name]).abs()) for name in theirs), max(map(float, ours.values()))
