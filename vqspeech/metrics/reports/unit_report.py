"""What people open of a units report: pictures, TextGrids for Praat, and one self-contained page with all of it."""

import base64
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vqspeech import audio
from vqspeech.data.alignment import Interval, write_textgrid
from vqspeech.data.datadir import DataDir
from vqspeech.data.phones import PHONES
from vqspeech.data.units import Units, find_runs
from vqspeech.errors import AudioError
from vqspeech.files import write_text
from vqspeech.metrics.aligned import Aligned
from vqspeech.metrics.reports import markdown, pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 3
"""Utterances that are drawn, of different speakers where there are."""

MEANING = {
    "codes": "how many different codes there can be",
    "codes used": "how many of them occur",
    "perplexity": "exp of the entropy of the codes: how many codes, used alike, would be as varied",
    "rate (Hz)": "codes a second",
    "bit rate (bit/s)": "rate · log2 codes: sent without entropy coding",
    "bit rate at the codes' entropy (bit/s)": "rate · entropy in bits: the bit rate of the ZeroSpeech challenges",
    "rate of runs (Hz)": "codes a second when a run of one code is taken as one",
    "bit rate at the runs' entropy (bit/s)": "the same for runs: what is left when durations are not sent",
    "most likely phone": "share of the most frequent phone: what one code would reach",
    "shuffled codes, map held out": "the codes of each utterance in random order: chance",
    "accuracy, map held out": "share of frames whose phone is the likeliest of their code in the other half of the "
    "utterances",
    "accuracy of bigrams, map held out": "the same, told from a code and the one before it; those that do not occur in "
    "the other half back off to single codes",
    "accuracy of trigrams, map held out": "the same, with the two codes before it",
    "accuracy, the paper's way": "share of frames whose phone is the likeliest of their code, the map fitted to the "
    "same frames (van den Oord et al. 2017, section 4.3)",
    "accuracy of bigrams, the paper's way": "the same for pairs of codes; many occur once, so it is memory in part",
    "accuracy of trigrams, the paper's way": "the same for three codes; mostly memory",
    "PNMI": "mutual information of codes and phones, as a share of the phones' entropy (Hsu et al. 2021)",
    "PNMI, shuffled codes": "what it is by chance",
    "phone purity": "mean share of the likeliest phone of a code (Hsu et al. 2021)",
    "cluster purity": "mean share of the likeliest code of a phone (Hsu et al. 2021); low where a phone has many codes",
    "changes of code": "where a code differs from the one before it, taken as boundary of a phone",
    "as many, evenly spread": "the same number of boundaries at equal distances",
    "precision": "share of the boundaries found that are near a true one",
    "recall": "share of the true boundaries that are near one found",
    "F": "harmonic mean of precision and recall",
    "R-value": "1 where all are found and no others, falling with over-segmentation (Räsänen et al. 2009)",
    "over-segmentation": "boundaries found / true boundaries - 1; 0 is right",
    "triphones": "three phones against three that differ in the middle one",
    "phones in any context": "one phone against another, whatever stands beside them",
    "within speakers": "error where all three tokens are of one speaker; 0 is perfect, 1/2 chance",
    "across speakers": "error where X is of another speaker than A and B",
    "speaker": "share of pieces of speech whose speaker a classifier tells; chance is perfect",
    "phone": "share of speech frames whose phone the code tells, map held out",
    "MFCC": "the same classifier on mean and deviation of the MFCC: how well the speaker can be told at all",
    "chance": "the most frequent speaker, and the most frequent phone",
}
"""What each row or column says, in one line."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .8rem; text-align: right; }
th { background: #f4f4f4; } th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; } .notes, dl { color: #555; font-size: 13px; } dt { font-weight: 600; float: left; clear: left; }
dt::after { content: ":\\00a0"; } dd { margin: 0; } figure { margin: 1.5rem 0; } code { overflow-wrap: anywhere; }
"""


def draw_pictures(folder: Path, units: Units, data: DataDir, aligned: Sequence[Aligned]) -> dict[str, Path]:
    """Write the pictures to `folder`/*.png and return their paths by title.

    Utterances whose recording cannot be read are not drawn.
    """
    drawn: dict[str, Path] = {}

    def save(title: str, name: str, figure: "Figure") -> None:
        drawn[title] = folder / f"{name}.png"
        pictures.save_figure(figure, drawn[title])

    save("How often each code is used", "codes", pictures.draw_code_frequencies(list(units.codes.values()), units.size))
    if aligned:
        codes, phones = [one.codes for one in aligned], [one.phones for one in aligned]
        save("Codes and phones", "code-by-phone", pictures.draw_code_by_phone(codes, phones, units.size))
    for one in choose_examples(aligned):
        spoken = data[one.name]
        try:
            wave = audio.read_waveform(spoken.path, spoken.start, spoken.end)
        except AudioError:
            continue
        save(f"Utterance {one.name}", f"utterance-{one.name}", pictures.draw_utterance(one, wave, spoken.text))
    return drawn


def choose_examples(aligned: Sequence[Aligned]) -> list[Aligned]:
    """Return the first utterance of each of the first `EXAMPLES` speakers."""
    first: dict[str, Aligned] = {}
    for one in aligned:
        first.setdefault(one.speaker, one)
    return list(first.values())[:EXAMPLES]


def write_textgrids(folder: str | os.PathLike, data: DataDir, aligned: Sequence[Aligned]) -> None:
    """Write `folder`/UTTERANCE.TextGrid with the tiers `phones` and `codes`, a run of one code as one interval."""
    for one in aligned:
        lasts = data[one.name].seconds or len(one.codes) / one.rate
        phones = _intervals(*one.segments[:2], [PHONES[phone] for phone in one.segments.phones], lasts)
        codes = make_code_intervals(one.codes, one.rate, lasts)
        write_textgrid(Path(folder) / f"{one.name}.TextGrid", {"phones": phones, "codes": codes}, lasts)


def make_code_intervals(codes: np.ndarray, rate: float, lasts: float) -> list[Interval]:
    """Return an interval for each run of one code.

    Args:
        codes: Codes of an utterance, `(codes,)`.
        rate: Codes per second (Hz).
        lasts: Length of the utterance (s).
    """
    first = find_runs(codes)
    edges = np.append(first, len(codes)) / rate
    return _intervals(edges[:-1], edges[1:], [str(code) for code in codes[first]], lasts)


def _intervals(starts: np.ndarray, ends: np.ndarray, labels: Sequence[str], lasts: float) -> list[Interval]:
    """Return intervals up to the end of the utterance, to the microsecond, without slivers between neighbours."""
    spans = zip(starts.round(6).tolist(), ends.round(6).tolist(), labels, strict=True)
    return [Interval(start, min(end, lasts), label) for start, end, label in spans if start < lasts]


def write_page(path: str | os.PathLike, title: str, sections: Mapping[str, Mapping], drawn: Mapping[str, Path]) -> None:
    """Write one self-contained HTML page: sections of a scores file as tables with their meaning, and pictures."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for name, section in sections.items():
        parts.append(f"<h2>{html.escape(name)}</h2>")
        parts.append(_table(section["rows"]))
        parts.append(_notes(section))
    parts += [_picture(caption, picture) for caption, picture in drawn.items()]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(parts)
    write_text(path, f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n')


def _table(rows: Sequence[Mapping]) -> str:
    head, *lines = markdown.format_cells(rows)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in line) + "</tr>" for line in lines)
    names = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    told = [name for name in dict.fromkeys([*(line[0] for line in lines), *head]) if name in MEANING]
    meaning = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(MEANING[name])}</dd>" for name in told)
    return f"<table><thead><tr>{names}</tr></thead>\n<tbody>{body}</tbody></table>\n<dl>{meaning}</dl>"


def _notes(section: Mapping) -> str:
    notes = [html.escape(note) for note in section["notes"]]
    notes.append(f"<code>{html.escape(section['command'])}</code>")
    versions = ", ".join(f"{name} {version}" for name, version in section["versions"].items())
    notes.append(html.escape(f"git {section['git']}, seed {section['seed']}, {section['time']}; {versions}"))
    return '<ul class="notes">' + "".join(f"<li>{note}</li>" for note in notes) + "</ul>"


def _picture(caption: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = html.escape(caption)
    return f'<figure><figcaption>{text}</figcaption><img alt="{text}" src="data:image/png;base64,{data}"></figure>'
