"""Voice conversion judged by machines: are the words still there, whose voice is it, how does it sound.

Rows go from the natural recordings, which bound what any system can reach, to the conversions. Intervals redraw source
utterances, because one sentence converted to ten voices is not ten independent sentences.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from vqspeech import jobs
from vqspeech.data.datadir import DataDir
from vqspeech.errors import CorpusError
from vqspeech.metrics.evaluations.clips import (
    CONVERSION,
    MULAW,
    RECONSTRUCTION,
    RECORDINGS,
    TARGETS,
    Judgement,
    find_conversions,
    find_reconstructions,
    judge_clip,
    make_recording_clip,
)
from vqspeech.metrics.judges import Judges, load_judges
from vqspeech.metrics.measures import acoustics, intelligibility, verification
from vqspeech.metrics.measures.bootstrap import Estimate, estimate_ratio, has_enough_speakers
from vqspeech.metrics.measures.verification import estimate_eer, estimate_eer_against_recordings

VOICE_COLUMNS = ("similarity to target", "similarity to source", "target is nearest", "nearer to target than source")
PITCH_COLUMNS = (
    "F0 from the voice's median (semitones)", "F0 deviation / the voice's", "F0 from the source's median (semitones)",
    "F0 correlation with the source", "voicing as in the source", "mel-cepstral distance (dB)",
)  # fmt: skip
"""The columns of the second table."""
EER_RECORDINGS = "EER beside recordings"


class ConversionScores(NamedTuple):
    """The two tables of conversions.

    Attributes:
        rows: Of words, voice and quality.
        notes: How these were measured.
        pitch_rows: Of pitch and spectrum.
        pitch_notes: How these were measured.
        details: One per clip, with what the ASR heard.
        skipped: Clips that could not be judged.
    """

    rows: list[dict[str, Any]]
    notes: list[str]
    pitch_rows: list[dict[str, Any]]
    pitch_notes: list[str]
    details: list[dict[str, Any]]
    skipped: jobs.Skipped


def score_conversions(
    sources: DataDir,
    converted: str | os.PathLike | Mapping[str, str | os.PathLike],
    targets: DataDir,
    reconstructed: str | os.PathLike | Mapping[str, str | os.PathLike] | None = None,
    enrol: int = 10,
    nj: int = 1,
    make_judges: Callable[[], Judges] = load_judges,
) -> ConversionScores:
    """Score the conversions in one or several folders.

    Args:
        sources: Utterances that were converted or reconstructed, with their texts as far as known.
        converted: Folder of TARGET/UTTERANCE.wav, or several by the names of their rows.
        targets: Recordings of the target speakers.
        reconstructed: Folder of UTTERANCE.wav, or several by row.
        enrol: Recordings whose mean embedding makes a voice, at most.
        nj: Processes; with more than one, `make_judges` must pickle.
        make_judges: Makes the judges.

    Raises:
        CorpusError: There are no clips, or none could be judged.
        SpeakerError: A target has no recordings.
        MissingExtra: The package of a judge is not installed.
    """
    by = make_judges()  # before the work: a missing package is no fault of the clips
    clips, skipped = [], jobs.Skipped()
    for name, folder in _named(converted, CONVERSION).items():
        found, left_out = find_conversions(folder, sources, targets, name)
        clips += found
        for path, reason in left_out.items():
            skipped.add(path, reason)
    for name, folder in _named(reconstructed, RECONSTRUCTION).items():
        clips += find_reconstructions(folder, sources, name)
    used = sorted({clip.source for clip in clips})
    for row in (RECORDINGS, MULAW):
        clips += [make_recording_clip(row, sources[name]) for name in used]
    clips += [make_recording_clip(TARGETS, one) for one in targets.subset(per_speaker=enrol)]
    # Further recordings of the source speakers, so that a source voice is more than the one utterance.
    speakers = sorted({sources[name].speaker for name in used})
    others = sources.subset(speakers=speakers, per_speaker=enrol)
    clips += [make_recording_clip(TARGETS, one) for one in others if one.id not in targets and one.id not in used]

    judged: list[Judgement] = []
    for clip, found, error in jobs.run_jobs(partial(judge_clip, make_judges), clips, nj, "judging"):
        if error is not None:
            skipped.add(clip.name, error)
        else:
            judged.append(found)
    table = _Table(sources, targets, judged)
    rows, pitch_rows = table.rows()
    return ConversionScores(rows, table.notes(by, enrol), pitch_rows, table.pitch_notes(), table.details(), skipped)


def _named(
    folders: str | os.PathLike | Mapping[str, str | os.PathLike] | None, name: str
) -> Mapping[str, str | os.PathLike]:
    if folders is None:
        return {}
    if isinstance(folders, Mapping) and (taken := {RECORDINGS, MULAW, TARGETS} & set(folders)):
        raise CorpusError(f"a row cannot be called '{taken.pop()}', which is one of recordings; choose another name")
    return {row or name: folder for row, folder in folders.items()} if isinstance(folders, Mapping) else {name: folders}


class _Table:
    """The judgements put together: voices first, then figures of each clip, then a row of all clips of a kind."""

    def __init__(self, sources: DataDir, targets: DataDir, judged: Sequence[Judgement]):
        self.sources = sources
        speakers = {sources[one.clip.source].speaker for one in judged if one.clip.sort == CONVERSION}
        self.crossed = has_enough_speakers(speakers)
        self.natural = {one.clip.source: one for one in judged if one.clip.row == RECORDINGS}
        self.recordings: dict[str, dict[str, Judgement]] = {}
        for one in judged:
            if one.clip.row in (RECORDINGS, TARGETS):
                self.recordings.setdefault(one.clip.speaker, {})[one.clip.source] = one
        enrolled = {
            name: [one.embedding for utt, one in self.recordings.get(name, {}).items() if utt in targets]
            for name in targets.speakers
        }
        self.voices = verification.average_voices({name: some for name, some in enrolled.items() if some})
        # Further recordings of source speakers are there for the voices of the sources, not to be judged.
        self.judged = [one for one in judged if one.clip.row != TARGETS or one.clip.speaker in self.voices]
        self.figures = [self._figures(one) for one in self.judged]
        if not any(one.clip.sort == CONVERSION for one in judged):
            raise CorpusError("not one conversion could be judged; the reasons are above")

    @property
    def systems(self) -> list[str]:
        """The rows of conversions, in order."""
        return list(dict.fromkeys(one.clip.row for one in self.judged if one.clip.sort == CONVERSION))

    def others(self, name: str, without: str) -> list[Judgement]:
        """Return the recordings of a speaker except one utterance."""
        return [one for utt, one in self.recordings.get(name, {}).items() if utt != without]

    def voice(self, name: str, without: str) -> np.ndarray | None:
        """Return the voice of a speaker from other recordings than `without`; None where there are none."""
        rest = [one.embedding for one in self.others(name, without)]
        return verification.average_voices({name: rest})[name] if rest else None

    def _figures(self, one: Judgement) -> dict[str, Any]:
        """Return the figures of one clip, by column; `claim` and `impostors` are the scores of its trials."""
        clip = one.clip
        found: dict[str, Any] = {"row": clip.row, "utterance": clip.source, "target": clip.speaker}
        found["group"] = clip.source
        if self.crossed and clip.row != TARGETS:
            speakers = (self.sources[clip.source].speaker, clip.speaker)
            found["group"] = speakers if clip.sort == CONVERSION else speakers[0]
        elif self.crossed:
            found["group"] = clip.speaker
        own = None
        if clip.row != TARGETS:
            source = self.sources[clip.source]
            own = self.voice(source.speaker, clip.source)
            found |= {"heard": one.heard, "text": source.text, "DNSMOS": one.quality}
            found["similarity to source"] = None if own is None else verification.cosine(one.embedding, own)
        claimed = self.voices.get(clip.speaker) if clip.sort == CONVERSION else self.voice(clip.speaker, clip.source)
        if claimed is not None:
            among = {**self.voices, clip.speaker: claimed}
            found["claim"] = verification.cosine(one.embedding, claimed)
            found["heard voice"] = verification.find_nearest(one.embedding, among)
            found["target is nearest"] = float(found["heard voice"] == clip.speaker)
            impostors = {name: voice for name, voice in among.items() if name != clip.speaker}
            if clip.sort == CONVERSION and own is not None:
                impostors[source.speaker] = own
                found["nearer to target than source"] = float(found["claim"] > verification.cosine(one.embedding, own))
            found["impostors"] = [verification.cosine(one.embedding, voice) for voice in impostors.values()]
            if clip.sort in (CONVERSION, TARGETS):
                found["similarity to target"] = found["claim"]
        return found | self._sung(one)

    def _sung(self, one: Judgement) -> dict[str, float | None]:
        """Return pitch and spectrum of one clip, by column."""
        clip = one.clip
        voice = acoustics.compare_with_voice(
            one.pitch, np.concatenate([np.zeros(0), *(other.pitch for other in self.others(clip.speaker, clip.source))])
        )
        source: dict[str, float] = {}
        if clip.row not in (RECORDINGS, TARGETS) and clip.source in self.natural:
            source = acoustics.compare_with_source(one.pitch, self.natural[clip.source].pitch)
        values = [voice.get("distance"), voice.get("deviation"), source.get("distance"), source.get("correlation"),
                  source.get("voicing"), one.distance]  # fmt: skip
        return dict(zip(PITCH_COLUMNS, values, strict=True))

    def row(
        self, name: str, label: str | None = None, among: AbstractSet[str] | None = None
    ) -> tuple[dict[str, Any], ...]:
        """Return one row of both tables, over source utterances `among`; empty ones where there are no clips of it."""
        some = [one for one in self.figures if one["row"] == name and (among is None or one["utterance"] in among)]
        if not some:
            return {}, {}
        row: dict[str, Any] = {"row": label or name}
        with_text = [item for item in some if item.get("text")]
        columns: list[tuple[str, Callable[..., Estimate]]] = [
            ("CER", intelligibility.cer),
            ("WER", intelligibility.wer),
        ]
        for column, rate in columns:
            row[column] = _rate(rate, with_text, [item["text"] for item in with_text])
        spoken = [item for item in some if item["utterance"] in self.natural and name not in (RECORDINGS, TARGETS)]
        for column, rate in columns:
            heard = [str(self.natural[item["utterance"]].heard) for item in spoken]
            row[f"{column} to ASR of source"] = _rate(rate, spoken, heard)
        row |= {column: _mean(some, column) for column in VOICE_COLUMNS}
        claims = [item for item in some if item.get("impostors")]
        row["EER"] = (
            estimate_eer(*([item[key] for item in claims] for key in ("claim", "impostors", "group")))
            if claims
            else None
        )
        real = [item for item in self.figures if item["row"] == TARGETS and item.get("claim") is not None]
        row[EER_RECORDINGS] = (
            estimate_eer_against_recordings(
                [item["claim"] for item in real], [item["target"] for item in real],
                [item["claim"] for item in claims], [item["group"] for item in claims],
            )
            if real and claims and name in self.systems
            else None
        )  # fmt: skip
        row["DNSMOS"] = _mean(some, "DNSMOS")
        return row, {"row": label or name} | {column: _mean(some, column) for column in PITCH_COLUMNS}

    def rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of both tables."""
        of = {name: {one.clip.source for one in self.judged if one.clip.sort == name} for name in
              (CONVERSION, RECONSTRUCTION)}  # fmt: skip
        pairs = [self.row(name, among=of[CONVERSION]) for name in (RECORDINGS, MULAW)]
        if of[RECONSTRUCTION] - of[CONVERSION]:  # other utterances: they need a baseline of their own
            pairs.append(self.row(RECORDINGS, "recordings of the reconstructed", of[RECONSTRUCTION]))
        copies = list(dict.fromkeys(one.clip.row for one in self.judged if one.clip.sort == RECONSTRUCTION))
        pairs += [self.row(name) for name in (*copies, *self.systems, TARGETS)]
        rows, pitch_rows = zip(*(pair for pair in pairs if pair[0]), strict=True)
        return list(rows), list(pitch_rows)

    def details(self) -> list[dict[str, Any]]:
        """Return the figures of each clip that was transcribed."""
        heard = [one for one in self.figures if "heard" in one]
        return [
            {key: value for key, value in one.items() if key not in ("claim", "impostors", "group")} for one in heard
        ]

    def _count_conversions(self) -> str:
        """Say of whom and to whom the conversions are, and what intervals redraw."""
        converted = [one.clip for one in self.judged if one.clip.sort == CONVERSION]
        redrawn = "source speakers and target speakers" if self.crossed else "source utterances"
        speakers = {self.sources[clip.source].speaker for clip in converted}
        return (
            f"{len(converted)} conversions of {len({clip.source for clip in converted})} source utterances of "
            f"{len(speakers)} speakers to {len({clip.speaker for clip in converted})} targets; intervals redraw "
            f"{redrawn}"
        )

    def notes(self, by: Judges, enrol: int) -> list[str]:
        """Describe how the first table was measured."""
        return [
            self._count_conversions(),
            (
                f"CER, WER: {by.recogniser.name} against the transcript, or (to ASR of source) against what it hears "
                "in the source recording; lower case, numbers in words, no punctuation"
            ),
            (
                f"similarity: cosine, {by.verifier.name}, to the mean of up to {enrol} other recordings of the "
                f"speaker; target is nearest: among {len(self.voices)} voices; the target of a recording, its copy and "
                "its reconstruction is its own speaker"
            ),
            (
                "EER: equal error rate of telling, by that cosine, clips that claim their target's voice from the same "
                "clips claiming each other one (the source's too); 0.5 is chance"
            ),
            (
                f"{EER_RECORDINGS}: of telling recordings of the targets from conversions to them, by the same cosine; "
                "the nearer to 0.5, the more alike they are"
            ),
            f"DNSMOS: {by.rater.name}",
        ]

    def pitch_notes(self) -> list[str]:
        """Describe how the second table was measured."""
        return [
            self._count_conversions(),
            (
                "F0: DIO and StoneMask every 10 ms, voiced frames, in log F0; the voice: other recordings of the "
                "target, or of the speaker of a recording, its copy and its reconstruction; absolute differences of "
                "medians; deviation: 1.4826 times the median absolute deviation"
            ),
            (
                "correlation: Pearson, over the frames of a clip that are voiced in it and in its source; voicing: "
                "share of frames that are voiced in both or in none"
            ),
            (
                "mel-cepstral distance: to the recording, frame by frame (5 ms), coefficients 1 to 24 of the WORLD "
                "envelope on a mel axis, frames within 40 dB of the recording's loudest"
            ),
        ]


def _mean(items: Sequence[dict[str, Any]], column: str) -> Estimate | None:
    known = [item for item in items if item.get(column) is not None]
    return estimate_ratio([item[column] for item in known], groups=[item["group"] for item in known]) if known else None


def _rate(rate: Callable[..., Estimate], items: Sequence[dict[str, Any]], references: Sequence[str]) -> Estimate | None:
    if not items:
        return None
    found = rate([item["heard"] for item in items], references, [item["group"] for item in items])
    return found if found.n else None
