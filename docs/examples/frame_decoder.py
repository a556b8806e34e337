"""A decoder of one convolution, which predicts 10 ms of samples from each latent's neighbourhood: small and poor."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech import world
from vqspeech.data.windows import SpeechBatch
from vqspeech.models.decoders.streams import Streams
from vqspeech.models.frontend import to_waveforms
from vqspeech.schema import Width


class FrameDecoder(nn.Module):
    """Frames of samples from latents and speaker, with the squared error as its loss."""

    voice_option = ("voice",)
    uses_pitch = uses_voicing = uses_formant = False

    def __init__(self, latents: int, hop: int, speakers: int, voice: Width = 16):
        super().__init__()
        self.hop = hop
        self.speaker = nn.Embedding(speakers, voice)
        self.output = nn.Conv1d(latents + voice, world.FRAME, 5, padding=2)

    @property
    def voice_weights(self) -> list[Tensor]:
        """Weights that multiply the speaker vector, along dimension 1 of each."""
        return [self.output.weight[:, -self.speaker.embedding_dim :]]

    @property
    def receptive_field(self) -> int:
        """Samples of source that one sample depends on, through its latents."""
        return self.hop + world.FRAME * (self.output.kernel_size[0] - 1)

    def forward(self, latents: Tensor, speakers: Tensor, lengths: Tensor) -> Tensor:
        """Return `(batch, time)`; nothing past `lengths` `(batch,)`, in samples, changes anything before it."""
        frames = F.interpolate(latents, size=latents.shape[2] * self.hop // world.FRAME, mode="nearest")
        voice = self.speaker(speakers)[:, :, None].expand(-1, -1, frames.shape[2])
        mask = torch.arange(frames.shape[2], device=lengths.device) < lengths[:, None] / world.FRAME
        return self.output(torch.cat([frames, voice], 1) * mask[:, None]).transpose(1, 2).flatten(1)

    def loss(self, latents: Tensor, speakers: Tensor, batch: SpeechBatch) -> dict[str, Tensor]:
        """Return the mean squared error of the samples, by name."""
        wave = self(latents, speakers, batch.lengths)
        return {"samples": F.mse_loss(wave, to_waveforms(batch.samples)[:, : wave.shape[1]])}

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, streams: Streams) -> Tensor:
        """Return the speech of latents `(batch, dimension, latents)`: float32 `(batch, time)`."""
        return self(latents, speakers, streams.samples)
