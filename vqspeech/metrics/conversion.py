"""Voice conversion judged by machines: are the words still there, whose voice is it, how does it sound.

Rows go from the natural recordings, which bound what any system can reach, to the conversions. Intervals redraw source
utterances, because one sentence converted to ten voices is not ten independent sentences.
"""

import os
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqspeech import audio, jobs
from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import CorpusError, SpeakerError
from vqspeech.metrics import intelligibility, naturalness, speaker
from vqspeech.metrics.bootstrap import Estimate, ratio

RECORDINGS = "recordings"
MULAW = "µ-law copy"
RECONSTRUCTION = "reconstruction"
CONVERSION = "conversion"
TARGETS = "recordings of the targets"
PACKAGES = ("moonshine-voice", "resemblyzer", "webrtcvad-wheels", "speechmos", "onnxruntime", "jiwer")
"""What the default judges depend on."""


class Judges(NamedTuple):
    """Who judges words, voice and quality."""

    recogniser: intelligibility.Recogniser
    verifier: speaker.Verifier
    rater: naturalness.Rater


@lru_cache(maxsize=1)
def default_judges() -> Judges:
    """Moonshine, Resemblyzer and DNSMOS, loaded once a process. Raises `MissingExtra` without the extra `eval`."""
    return Judges(intelligibility.Moonshine(), speaker.Resemblyzer(), naturalness.DNSMOS())


@dataclass(frozen=True)
class Clip:
    """One piece of sound to judge: a file, or a part of it (seconds), of which row, source utterance and target."""

    row: str
    source: str
    path: str
    target: str | None = None
    start: float = 0.0
    end: float | None = None

    @property
    def name(self) -> str:
        return " ".join(filter(None, [self.row, self.target, self.source]))


@dataclass(frozen=True)
class Judgement:
    """What the judges said of a clip; `heard` and `quality` are None where only the voice was asked for."""

    clip: Clip
    embedding: np.ndarray
    heard: str | None = None
    quality: float | None = None


def judgement(make_judges: Callable[[], Judges], clip: Clip) -> Judgement:
    """What the judges say of a clip. Raises `AudioError` where it cannot be read or is silent."""
    judges = make_judges()
    wave = audio.waveform(clip.path, clip.start, clip.end)
    if clip.row == MULAW:
        wave = audio.linear(audio.mulaw(wave))
    embedding = judges.verifier.embedding(wave)
    if clip.row == TARGETS:
        return Judgement(clip, embedding)
    return Judgement(clip, embedding, judges.recogniser.transcribe(wave), judges.rater.rating(wave))


def converted_clips(folder: str | os.PathLike, sources: DataDir, targets: DataDir) -> tuple[list[Clip], dict[str, str]]:
    """The clips `folder`/TARGET/UTTERANCE.wav to other voices than the source's, and why (by path) others are left out.

    Raises `CorpusError` where there are none, and `SpeakerError` where a TARGET has no recordings.
    """
    clips, left_out = [], {}
    for path in sorted(Path(folder).glob("*/*.wav")):
        if path.name.startswith("."):
            continue
        if path.stem in sources and sources[path.stem].speaker == path.parent.name:
            continue  # to the speaker's own voice: that is reconstruction
        if path.stem in sources:
            clips.append(Clip(CONVERSION, path.stem, str(path), path.parent.name))
        else:
            left_out[str(path)] = f"no source utterance '{path.stem}' in the data directory"
    if not clips:
        raise CorpusError(
            f"{folder}: no conversions of these utterances; make them with: vqspeech convert --data ... --out {folder} "
            "(they lie as TARGET/UTTERANCE.wav)"
        )
    unknown = sorted({str(clip.target) for clip in clips} - set(targets.speakers))
    if unknown:
        known = ", ".join(targets.speakers[:8])
        raise SpeakerError(
            f"{folder}: no recordings of target {', '.join(unknown)} (there are: {known}); check --targets-data"
        )
    return clips, left_out


def scored(
    sources: DataDir,
    converted: str | os.PathLike,
    targets: DataDir,
    reconstructed: str | os.PathLike | None = None,
    enrol: int = 10,
    nj: int = 1,
    make_judges: Callable[[], Judges] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str], jobs.Skipped]:
    """Rows, details (one a clip, with what the ASR heard), notes for `scores.add_rows`, and what was skipped.

    `sources` hold the utterances that were converted or reconstructed, with their texts as far as known; `converted`
    and `reconstructed` are folders of TARGET/UTTERANCE.wav and UTTERANCE.wav. A voice is the mean embedding of up to
    `enrol` recordings.
    Raises `CorpusError`, `SpeakerError`, `MissingExtra`.
    """
    make_judges = make_judges or default_judges
    judges = make_judges()  # before the work: a missing package is no fault of the clips
    clips, left_out = converted_clips(converted, sources, targets)
    skipped = jobs.Skipped()
    for path, reason in left_out.items():
        skipped.add(path, reason)
    if reconstructed is not None:
        paths = sorted(path for path in Path(reconstructed).glob("*.wav") if path.stem in sources)
        if not paths:
            raise CorpusError(f"{reconstructed}: no reconstructions (UTTERANCE.wav) of these utterances; check --data")
        clips += [Clip(RECONSTRUCTION, path.stem, str(path)) for path in paths]
    used = sorted({clip.source for clip in clips})
    for row in (RECORDINGS, MULAW):
        clips += [_recording(row, sources[name]) for name in used]
    clips += [_recording(TARGETS, one) for one in targets.subset(per_speaker=enrol)]
    # Further recordings of the source speakers, so that a source voice is more than the one utterance.
    speakers = sorted({sources[name].speaker for name in used})
    others = sources.subset(speakers=speakers, per_speaker=enrol)
    clips += [_recording(TARGETS, one) for one in others if one.id not in targets and one.id not in used]

    judged: list[Judgement] = []
    for clip, found, error in jobs.outcomes(partial(judgement, make_judges), clips, nj, "judging"):
        if error is not None:
            skipped.add(clip.name, error)
        else:
            judged.append(found)
    return _Table(sources, targets, judged).everything(judges, enrol, skipped)


def _recording(row: str, utterance: Utterance) -> Clip:
    return Clip(row, utterance.id, utterance.path, utterance.speaker, utterance.start, utterance.end)


class _Table:
    """The judgements put together: voices first, then a figure per clip, then one a row."""

    def __init__(self, sources: DataDir, targets: DataDir, judged: Sequence[Judgement]):
        self.sources = sources
        self.judged = judged
        self.heard = {one.clip.source: one.heard or "" for one in judged if one.clip.row == RECORDINGS}
        by_speaker: dict[str, dict[str, np.ndarray]] = {}
        for one in judged:
            if one.clip.row in (RECORDINGS, TARGETS):
                by_speaker.setdefault(str(one.clip.target), {})[one.clip.source] = one.embedding
        self.recordings = by_speaker
        self.enrolled = {
            name: {utt: vector for utt, vector in by_speaker.get(name, {}).items() if utt in targets}
            for name in targets.speakers
        }
        self.voices = speaker.voices({name: list(some.values()) for name, some in self.enrolled.items() if some})

    def voice(self, name: str, without: str) -> np.ndarray | None:
        """The voice of a speaker from other recordings than `without`; None where there are none."""
        rest = [vector for utt, vector in self.recordings.get(name, {}).items() if utt != without]
        return speaker.voices({name: rest})[name] if rest else None

    def sources_of(self, row: str) -> set[str]:
        """The source utterances that a row has clips of."""
        return {one.clip.source for one in self.judged if one.clip.row == row}

    def figures(self, one: Judgement) -> dict[str, Any]:
        """All that is said of one clip, by column."""
        clip = one.clip
        found: dict[str, Any] = {"row": clip.row, "utterance": clip.source, "target": clip.target}
        if one.heard is not None:
            found |= {"heard": one.heard, "text": self.sources[clip.source].text, "DNSMOS": one.quality}
            own = self.voice(self.sources[clip.source].speaker, clip.source)
            found["similarity to source"] = None if own is None else speaker.cosine(one.embedding, own)
        if clip.row == CONVERSION:
            target = self.voices.get(str(clip.target))
            among = self.voices
        elif clip.row == TARGETS and clip.target in self.voices:
            target = self.voice(str(clip.target), clip.source)
            among = {**self.voices, **({str(clip.target): target} if target is not None else {})}
        else:
            return found
        if target is not None:
            found["similarity to target"] = speaker.cosine(one.embedding, target)
            found["heard voice"] = speaker.nearest(one.embedding, among)
            found["target is nearest"] = float(found["heard voice"] == clip.target)
        own = found.get("similarity to source")
        if own is not None and target is not None:
            found["nearer to target than source"] = float(found["similarity to target"] > own)
        return found

    def row(self, name: str, label: str | None = None, among: Set[str] | None = None) -> dict[str, Any] | None:
        """One row of the table, over source utterances `among`; None where there are no clips of it."""
        chosen = [one for one in self.judged if one.clip.row == name and (among is None or one.clip.source in among)]
        some = [self.figures(one) for one in chosen]
        if name == TARGETS:
            some = [item for item in some if "similarity to target" in item]
        if not some:
            return None
        row: dict[str, Any] = {"row": label or name}
        with_text = [item for item in some if item.get("text")]
        columns: list[tuple[str, Callable[..., Estimate]]] = [
            ("CER", intelligibility.cer),
            ("WER", intelligibility.wer),
        ]
        for column, rate in columns:
            row[column] = _rate(rate, with_text, [item["text"] for item in with_text])
        spoken = [item for item in some if item["utterance"] in self.heard and name not in (RECORDINGS, TARGETS)]
        for column, rate in columns:
            row[f"{column} to ASR of source"] = _rate(rate, spoken, [self.heard[item["utterance"]] for item in spoken])
        for column in ("similarity to target", "similarity to source", "target is nearest",
                       "nearer to target than source", "DNSMOS"):  # fmt: skip
            known = [item for item in some if item.get(column) is not None]
            row[column] = (
                ratio([item[column] for item in known], groups=[item["utterance"] for item in known]) if known else None
            )
        return row

    def everything(
        self, judges: Judges, enrol: int, skipped: jobs.Skipped
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str], jobs.Skipped]:
        """Rows, details, notes, skipped; as `scored` returns them."""
        converted_names, reconstructed_names = self.sources_of(CONVERSION), self.sources_of(RECONSTRUCTION)
        rows = [self.row(name, among=converted_names) for name in (RECORDINGS, MULAW)]
        if reconstructed_names - converted_names:  # other utterances: they need a baseline of their own
            rows.append(self.row(RECORDINGS, "recordings of the reconstructed", reconstructed_names))
        rows += [self.row(name) for name in (RECONSTRUCTION, CONVERSION, TARGETS)]
        details = [self.figures(one) for one in self.judged if one.heard is not None]
        converted = [one.clip for one in self.judged if one.clip.row == CONVERSION]
        if not converted:
            raise CorpusError("not one conversion could be judged; the reasons are above")
        notes = [
            f"{len(converted)} conversions of {len({clip.source for clip in converted})} source utterances of "
            f"{len({self.sources[clip.source].speaker for clip in converted})} speakers to "
            f"{len({clip.target for clip in converted})} targets; intervals redraw source utterances",
            f"CER, WER: {judges.recogniser.name} against the transcript, or (to ASR of source) against what it hears "
            "in the source recording; lower case, numbers in words, no punctuation",
            f"similarity: cosine, {judges.verifier.name}, to the mean of up to {enrol} other recordings of the "
            f"speaker; target is nearest: among {len(self.voices)} voices",
            f"DNSMOS: {judges.rater.name}",
        ]
        return [row for row in rows if row], details, notes, skipped


def _rate(rate: Callable[..., Estimate], items: Sequence[dict[str, Any]], references: Sequence[str]) -> Estimate | None:
    if not items:
        return None
    found = rate([item["heard"] for item in items], references, [item["utterance"] for item in items])
    return found if found.n else None
