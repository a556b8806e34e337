"""What the page does with recordings, without a browser: recordings in, files of a folder of its own out."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vqspeech import audio, pretrained, recordings
from vqspeech.data.textgrid import write_textgrid
from vqspeech.data.units import side_file, write_units
from vqspeech.errors import AudioError, ConfigError, OutputError, SpeakerError
from vqspeech.metrics.measures.kneser_ney import KneserNey
from vqspeech.metrics.reports import pictures
from vqspeech.metrics.reports.unit_report import make_code_intervals
from vqspeech.models.coder import Coder
from vqspeech.models.live.model import Live
from vqspeech.models.voice import list_speakers
from vqspeech.models.vqvae import VQVAE
from vqspeech.progress import Listener, Work, report_to
from vqspeech.sampling import CodeSource, choose_voices, decode_samples, sample_codes

NGRAM_ORDER = 3
"""Order of the n-gram of recordings, where the page has no prior."""
MAX_RECORDINGS = 20
"""Recordings that an n-gram is fitted to at most."""
PICTURE_SECONDS = 30.0
"""Seconds of a recording whose codes are drawn."""


class Conversion(NamedTuple):
    """Files of a conversion, and why the voice is doubtful; empty where it is not."""

    recording: Path
    conversion: Path
    spectrograms: Path
    doubt: str


class Encoding(NamedTuple):
    """Picture of the codes of a recording, files to take away, and figures in words."""

    picture: Path
    files: list[Path]
    summary: str


class Sample(NamedTuple):
    """Files of a sample."""

    speech: Path
    picture: Path


class Studio:
    """Converts, encodes and samples, one piece of work at a time.

    Args:
        folder: Folder of the recordings that were uploaded, and of what is made of them. Nothing else is read.
        model: Checkpoint of the model that converts.
        name: Its name.
        longest: Longest recording (s).
        source: What samples are drawn from; None: from recordings that come with each call.
    """

    def __init__(self, folder: Path, model: Path, name: str, longest: float, source: CodeSource = None):
        self.folder, self.path, self.longest, self.source = folder.resolve(), model, longest, source
        self._lock, self._closed = threading.Lock(), False
        self.coders = pretrained.list_models()
        if not self.is_live and model not in self.coders.values():
            self.coders[name] = model

    @property
    def model(self) -> VQVAE:
        """The model that converts."""
        return recordings.load_model(VQVAE, self.path)

    @property
    def is_live(self) -> bool:
        """Whether the model is one for streams, which has no codes."""
        return isinstance(self.model, Live)

    @property
    def can_sample(self) -> bool:
        """Whether the model has codes and voices of its own."""
        return not self.is_live and bool(self.model.speakers)

    @property
    def takes_recordings(self) -> bool:
        """Whether the model takes a voice from a recording."""
        try:
            self.model.voice_hash()
        except SpeakerError:
            return False
        return True

    def list_voices(self, own: bool = True) -> list[tuple[str, str]]:
        """Return voices as (name with what is known of it, name), those of the user included where `own`."""
        found: list[tuple[str, str]] = []
        for one in list_speakers(self.model):
            if own or not one["yours"]:
                pitch = one["median_hz"] and f"{one['median_hz']:.0f} Hz"
                about = ", ".join(filter(None, (one["gender"], pitch, "yours" * one["yours"])))
                found.append((f"{one['name']} ({about})" if about else one["name"], one["name"]))
        return found

    def convert(
        self,
        recording: str | None,
        voice: str | None,
        like: str | None,
        pitch: float = 0.0,
        keep_pitch: bool = False,
        formant: float = 1.0,
        progress: Listener | None = None,
    ) -> Conversion:
        """Convert a recording to the voice of that name, or else to that of the recording `like`.

        The other arguments are those of `vqspeech.convert`.

        Raises:
            AudioError: A recording is missing, too long, or cannot be read.
            SpeakerError: There is no such voice.
        """
        with self._work(progress) as listener:
            path, source = self._read(recording, "a recording")
            if voice is None:
                like_path, sample = self._read(like, "a recording of the voice")
                name = like_path.stem
                target = self.model.make_voice([sample], name)
                doubt = target.doubt
            else:
                name = target = voice
                doubt = ""
            out, stem = self._make_folder(), path.stem
            files = Conversion(out / f"{stem}.wav", out / f"{stem}.{_clean(name)}.wav", out / "spectrograms.png", doubt)
            options = {"pitch": pitch, "keep_pitch": keep_pitch, "formant": formant, "progress": listener}
            wave = recordings.convert(path, speaker=target, model=self.path, out=files.conversion, **options)
            audio.write(files.recording, source)  # every browser plays it
            sounds = {"recording": source, f"as {voice}" if voice else "conversion": wave}
            pictures.save_figure(pictures.draw_spectrograms(sounds), files.spectrograms)
        return files

    def encode(self, recording: str | None, coder: str, progress: Listener | None = None) -> Encoding:
        """Encode a recording by the model `coder`, one of `coders`.

        Raises:
            AudioError: The recording is missing, too long, or cannot be read.
            ConfigError: There is no such model.
        """
        if coder not in self.coders:
            raise ConfigError(f"no model '{coder}'; choose one of {', '.join(self.coders)}")
        with self._work(progress):
            path, wave = self._read(recording, "a recording")
            model = recordings.load_model(Coder, self.coders[coder])
            codes = model.encode(wave)
            out, name = self._make_folder(), _clean(path.stem)
            units, grid, picture = out / f"{name}.units.txt", out / f"{name}.TextGrid", out / "codes.png"
            size, seconds = model.quantizer.size, len(wave) / audio.RATE
            write_units(units, {name: codes}, model.rate, size, coder, model.fingerprint(), model.quantizer.sizes)
            write_textgrid(grid, {"codes": make_code_intervals(codes, model.rate, seconds)}, seconds)
            shown = int(PICTURE_SECONDS * audio.RATE)
            figure = pictures.draw_codes(wave[:shown], codes[: round(PICTURE_SECONDS * model.rate)], model.rate)
            pictures.save_figure(figure, picture)
        used = len(np.unique(codes))
        summary = f"{seconds:.1f} s: {len(codes)} codes, {model.rate:g} a second; {used} of {size} codes used."
        if len(wave) > shown:
            summary += f" The picture shows the first {PICTURE_SECONDS:g} s, the files have all."
        return Encoding(picture, [units, side_file(units), grid], summary)

    def sample(
        self,
        seconds: float,
        voice: str,
        temperature: float = 1.0,
        seed: int = 0,
        learn: Sequence[str] | None = None,
        progress: Listener | None = None,
    ) -> Sample:
        """Draw codes, and decode them in a voice.

        Args:
            seconds: Length (s).
            voice: Name of a voice of the model, or `sampling.RANDOM`.
            temperature: Of the codes.
            seed: Of all draws.
            learn: Recordings whose codes an n-gram is fitted to, where the page has no other source.
            progress: As of `vqspeech.convert`.

        Raises:
            AudioError: There is no source, or a recording is too long or cannot be read.
            SpeakerError: There is no such voice.
        """
        with self._work(progress):
            model, source = self.model, self.source
            if source is None and model.quantizer.size > 1:
                learn = learn or ()
                if len(learn) > MAX_RECORDINGS:
                    raise AudioError(f"{len(learn)} recordings; give {MAX_RECORDINGS} at most, or join short ones")
                waves = [self._read(path, "a recording")[1] for path in learn]
                if not waves:
                    raise AudioError("give recordings to learn from: there is no prior; a minute of speech is a start")
                source = KneserNey([model.encode(wave) for wave in waves], model.quantizer.size, NGRAM_ORDER)
            voices = choose_voices(model, source, 1, voice, seed)
            steps = max(1, round(seconds * model.rate))
            codes = sample_codes(source, voices, steps, temperature=temperature, seed=seed)
            wave = np.concatenate([part for _, part in decode_samples(model, codes, voices, seed=seed)])
            out = self._make_folder()
            files = Sample(out / f"sample-{seed}.{_clean(voices[0])}.wav", out / "sample.png")
            audio.write(files.speech, wave)
            pictures.save_figure(pictures.draw_codes(wave, codes[0], model.rate), files.picture)
        return files

    def close(self) -> None:
        """End the work that is being done, wait for its end, and take no more."""
        self._closed = True
        with self._lock:
            pass

    @contextmanager
    def _work(self, progress: Listener | None) -> Iterator[Listener]:
        """Wait for other work, and yield the listener of the block, by which `close` ends its work."""

        def listen(work: Work) -> None:
            self._require_open()
            if progress is not None:
                progress(work)

        with self._lock, report_to(listen):
            self._require_open()
            yield listen

    def _require_open(self) -> None:
        if self._closed:
            raise OutputError("the page has ended; start it again")

    def hide_paths(self, text: str) -> str:
        """Return a message with the names of files instead of their places on the server."""
        text = re.sub(re.escape(str(self.folder)) + r"([/\\][\w-]+)*[/\\]", "", text)
        return text.replace(str(self.path.parent) + os.sep, "")

    def _read(self, path: str | None, what: str) -> tuple[Path, np.ndarray]:
        """Return path and waveform of an uploaded recording, read no further than the longest may last."""
        if not path:
            raise AudioError(f"give {what}: drop a sound file, or record one")
        place = Path(path).resolve()
        if self.folder not in place.parents:
            raise AudioError("this is not a recording that was uploaded; upload it")
        wave = audio.read_waveform(place, 0, self.longest + 1)
        if len(wave) > self.longest * audio.RATE:
            raise AudioError(
                f"{place.name}: is longer than {self.longest:g} s, the most that this page takes; cut it, or use "
                "`vqspeech convert`, which has no limit"
            )
        return place, wave

    def _make_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))


def _clean(name: str) -> str:
    """Return a name as part of a file name, and as an utterance id: without blanks and slashes."""
    return re.sub(r"[^\w.-]+", "_", name)
