"""The paper's decoder: an autoregressive WaveNet over µ-law samples (van den Oord et al., 1609.03499)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqspeech.data.windows import SpeechBatch
from vqspeech.models.decoders.samples import SampleDecoder
from vqspeech.models.decoders.streams import Streams
from vqspeech.models.frontend import encode_mulaw, to_waveforms
from vqspeech.models.wavenet import Cycle
from vqspeech.schema import Depth, Width


class WaveNet(SampleDecoder):
    """p(sample | samples before it, latents, speaker) over 256 µ-law levels.

    The latents are smoothed over three of them, projected to all layers at their own rate, and held over their `hop`
    samples; the one-hot speaker is added to them.
    """

    voice_option = ("condition",)
    """Path of the option for the size of the speaker vector."""
    uses_pitch = False
    uses_voicing = False
    uses_formant = False
    context = 1
    """Codes on either side of a moment that its conditioning depends on."""

    def __init__(
        self,
        latents: int,
        hop: int,
        speakers: int,
        layers: Depth = 30,
        cycle: Cycle = 10,
        residual: Width = 64,
        skip: Width = 256,
        condition: Width = 128,
    ):
        super().__init__(layers, cycle, residual, skip)
        self.hop = hop
        self.smooth = nn.Conv1d(latents, condition, 3, padding=1)
        self.speaker = nn.Embedding(speakers, condition)
        self.project = nn.Conv1d(condition, layers * 2 * residual, 1)

    @property
    def voice_weights(self) -> list[Tensor]:
        """Weights that multiply the speaker vector, along dimension 1 of each."""
        return [self.project.weight]

    def conditioning(self, latents: Tensor, speakers: Tensor) -> Tensor:
        """Return the conditioning of all layers at the latent rate: `(batch, layers * 2 * residual, latents)`.

        Args:
            latents: `(batch, dimension, latents)`.
            speakers: int `(batch,)`.
        """
        return self.project(self._features(latents, speakers))

    def _features(self, latents: Tensor, speakers: Tensor) -> Tensor:
        return F.relu(self.smooth(latents) + self.speaker(speakers)[:, :, None])

    def loss(self, latents: Tensor, speakers: Tensor, batch: SpeechBatch) -> dict[str, Tensor]:
        """Return {"nll": cross-entropy in nats per sample} over the valid samples of the batch."""
        return {
            "nll": self.nll(
                encode_mulaw(to_waveforms(batch.samples)), batch.lengths, self.conditioning(latents, speakers)
            )
        }

    @torch.inference_mode()
    def waveforms(self, latents: Tensor, speakers: Tensor, streams: Streams) -> Tensor:
        """Return the speech of latents, drawn sample by sample: float32 `(batch, time)`.

        Args:
            latents: `(batch, dimension, latents)`.
            speakers: int `(batch,)`.
            streams: Lengths, seeds and options; the pitch is not used: the codes carry the melody.
        """
        features = latents.new_zeros(len(latents), self.smooth.out_channels, latents.shape[2])
        for row, samples in enumerate(streams.samples.tolist()):  # one by one: a batch changes the last bits
            part = latents[row : row + 1, :, : -(-samples // self.hop)]
            features[row, :, : part.shape[2]] = self._features(part, speakers[row : row + 1])[0]
        return self.draw_samples(features, self.hop, streams)
