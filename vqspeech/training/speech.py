"""Training of a VQ-VAE on speech."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import nn

from vqspeech import audio, loudness, pretrained
from vqspeech.data.buffered import BufferedWindows
from vqspeech.data.dump import Shards, list_speakers
from vqspeech.errors import ConfigError
from vqspeech.models.coder import Coder
from vqspeech.models.decoders import WorldWaveNet
from vqspeech.models.vqvae import VQVAE
from vqspeech.schema import Count, NonNegative, Options, Range, check_groups
from vqspeech.training.evaluation import evaluate_vqvae
from vqspeech.training.log import Log
from vqspeech.training.task import CHANGEABLE, TrainingOptions


@dataclass(frozen=True, kw_only=True)
class SpeechTraining(TrainingOptions):
    """Options of the group `training`."""

    encoder: str | None
    start: str | None = None
    seconds: Annotated[float, Range(0.01, 3600)]
    buffer: NonNegative = 0.0
    listen_every: Annotated[Count, CHANGEABLE]
    listen_seconds: Annotated[float, Range(0.1, 600), CHANGEABLE]
    keep_from: Annotated[int, Range(0, 1 << 40), CHANGEABLE] = 0


class SpeechTask:
    """The task of training a VQ-VAE on windows of a dump.

    Args:
        config: Configuration of the model and its training.
        train: The dump to learn from.
        dev: The held-out dump.

    Raises:
        ConfigError: The configuration is of another kind of model.
        SpeakerError: `dev` has a speaker that `train` lacks.
    """

    criterion, items, training = "decoder", "samples", Options(SpeechTraining)

    def __init__(self, config: Mapping[str, Any], train: Shards, dev: Shards):
        if "prior" in config:
            raise ConfigError("this configuration is of a prior, which is trained on units; use `vqspeech prior`")
        config = self.check_config(config)
        self.options, self.train, self.dev = config["training"], train, dev
        if self.options["encoder"] and self.options["start"]:
            raise ConfigError("training.encoder freezes an encoder, training.start trains one on; give one of them")
        start = Coder.from_pretrained(self.options["start"]) if self.options["start"] else None
        if start:
            config = _adopt_encoder(config, start.config, self.options["start"])
        groups = {name: group for name, group in config.items() if name != "training"}
        torch.manual_seed(self.options["seed"])
        self.model = VQVAE(groups, list_speakers([train]), train.genders)
        self.batches, self.dev_batches = (
            self.model.windows(shards, self.options["seconds"]) for shards in (train, dev)
        )
        if self.options["buffer"]:
            self.batches = BufferedWindows(self.batches, self.options["buffer"])
        self.length = self.batches.samples
        if start:
            self.model.encoder.load_state_dict(start.encoder.state_dict())
        self._start_hash = start.fingerprint() if start else None
        if self.options["encoder"]:
            self.model.freeze_encoder()

    @classmethod
    def check_config(cls, config: Any) -> dict[str, Any]:
        """Check a whole configuration and return it.

        Raises:
            ConfigError: It has an unknown, missing or invalid option.
        """
        return VQVAE.check_config(check_groups(config, {**VQVAE.groups, "training": cls.training}, exclusive=True))

    @property
    def sources(self) -> dict[str, str]:
        """Hashes of both dumps, and of the models whose encoder is used, where their files exist."""
        found = {"train": self.train.fingerprint, "dev": self.dev.fingerprint}
        encoder = self.options["encoder"]
        if encoder and pretrained.find_checkpoint(encoder).is_file():
            found["encoder"] = VQVAE.from_pretrained(encoder).fingerprint()
        if self._start_hash:
            found["start"] = self._start_hash
        return found

    @property
    def codes(self) -> int:
        """Number of codes of the codebook."""
        return self.model.quantizer.size

    @property
    def network(self) -> nn.Module:
        """The part of the model that `training.compile` compiles."""
        return self.model.decoder

    def initialize(self) -> None:
        """Set what the model takes from the dump and from another encoder before the first step."""
        self.model.fit(self.train)
        if self.options["encoder"]:
            _load_encoder(self.model, self.options["encoder"])

    def evaluate(self, size: int, batches: int) -> dict[str, float]:
        """Return `evaluation.evaluate_vqvae` of the held-out windows."""
        return evaluate_vqvae(self.model, self.dev_batches, size, batches)

    def describe_figures(self, figures: Mapping[str, float]) -> str:
        """Return the figures of an evaluation in words."""
        return (
            f"held-out loss {figures['decoder']:.3f}, {figures['shuffle_gap']:+.3f} with shuffled codes, "
            f"perplexity {figures['perplexity']:.0f}, {figures['used']:.0f} of {self.codes} codes used"
        )

    def describe_speed(self, rate: float) -> str:
        """Return samples per second, and how much faster than real time that is."""
        return f"{rate:,.0f} samples/s, {rate / audio.RATE:.0f}x real time"

    def log_examples(self, log: Log, step: int) -> None:
        """Add a held-out utterance, its free-running reconstruction and its conversion to another voice to the log."""
        if step % self.options["listen_every"]:
            return
        from vqspeech.metrics.reports.pictures import draw_spectrograms

        self.model.eval()
        wave = loudness.to_float(self.dev.samples(0, 0, int(self.options["listen_seconds"] * audio.RATE)))
        own = self.dev.speakers[0]
        other = next((name for name in self.model.speakers if name != own), own)
        sounds = {"recording": wave, f"reconstruction {own}": self.model.reconstruct(wave, own)}
        sounds[f"conversion {other}"] = self.model.convert(wave, other)
        self.model.train()
        log.add_sounds(step, sounds, audio.RATE)
        log.add_plot(step, "spectrograms", draw_spectrograms(sounds))


def _load_encoder(model: VQVAE, path: str) -> None:
    """Load encoder and codebook of a checkpoint, and the decoder of WORLD frames for a WaveNet over them.

    Raises:
        ConfigError: Their configurations differ.
    """
    other = VQVAE.from_pretrained(path)
    for group in ("frontend", "encoder", "quantizer"):
        # The range of warping matters in training alone.
        theirs, ours = ({**config[group], "warp": 0} for config in (other.config, model.config))
        if theirs != ours:
            raise ConfigError(
                f"training.encoder={path}: its {group} is {other.config[group]}, {model.config[group]} here"
            )
    model.encoder.load_state_dict(other.encoder.state_dict())
    model.quantizer.load_state_dict(other.quantizer.state_dict())
    if isinstance(model.decoder, WorldWaveNet):
        frames = {"name": "world", **model.config["decoder"]["frames"]}
        if (other.config["decoder"], other.speakers) != (frames, model.speakers):
            raise ConfigError(
                f"training.encoder={path}: its decoder is {other.config['decoder']} for {len(other.speakers)} voices, "
                f"{frames} for {len(model.speakers)} here"
            )
        model.decoder.frames.load_state_dict(other.decoder.state_dict())


_OWN = ("hop", "dropout")
"""Options of an encoder that are the configuration's own where it starts from a trained one."""


def _adopt_encoder(config: Mapping[str, Any], other: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a configuration with the encoder's options of `other`, the checkpoint `path`, except those of `_OWN`.

    Raises:
        ConfigError: Its front end or the kind of its encoder is another one.
    """
    for group in ("frontend", "encoder"):
        if other[group].get("name") != config[group].get("name"):
            raise ConfigError(
                f"training.start={path}: its {group} is {other[group]}, {config[group]} here; give a checkpoint with "
                f"the same kind of {group}"
            )
    kept = {name: value for name, value in config["encoder"].items() if name in _OWN}
    return {**config, "encoder": {**other["encoder"], **kept}}
