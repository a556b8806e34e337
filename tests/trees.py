"""Tiny corpora in the layouts of the real ones."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


def tone(path: Path, seconds: float = 0.5) -> Path:
    """Writes a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(round(seconds * RATE)) / 5), RATE)
    return path


def text(path: Path, content: str = "Please call Stella.\n") -> Path:
    """Writes a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def vctk_080(root: Path) -> Path:
    """VCTK 0.80: p225 and p226 of two utterances each with text, p315 of two without; labels of p225_001."""
    for name in ("p225_001", "p225_002", "p226_001", "p226_002", "p315_001", "p315_002"):
        speaker = name[:4]
        tone(root / "wav48" / speaker / f"{name}.wav")
        if speaker != "p315":
            text(root / "txt" / speaker / f"{name}.txt")
    text(root / "lab/mono/p225/p225_001.lab", "         0    1500000 pau\n   1500000   4900000 p\n")
    text(
        root / "speaker-info.txt",
        "ID  AGE  GENDER  ACCENTS  REGION  \n"
        "225  23  F    English    Southern  England\n"
        "226  22  M    English    Surrey\n",
    )
    return root


def vctk_092(root: Path) -> Path:
    """VCTK 0.92: p225 with both microphones, p280 without the second, s5, p315 without text, p362 with text alone."""
    folder = root / "wav48_silence_trimmed"
    for name in ("p225_001", "p225_002", "p280_001", "s5_001", "p315_001"):
        speaker = name.split("_")[0]
        tone(folder / speaker / f"{name}_mic1.flac", 0.5)
        if speaker != "p280":
            tone(folder / speaker / f"{name}_mic2.flac", 0.25)
        if speaker != "p315":
            text(root / "txt" / speaker / f"{name}.txt")
    tone(folder / "p362/p362_002_mic1.flac")
    for name in ("p362_001", "p362_002"):
        text(root / f"txt/p362/{name}.txt")
    text(folder / "log.txt", "made by")
    text(
        root / "speaker-info.txt",
        "ID  AGE  GENDER  ACCENTS  REGION COMMENTS \n"
        "p225  23  F    English    Southern  England\n"
        "p280  25  F    Unknown    France    (mic2 files unavailable)\n"
        "p315  18  M    American    New  England (no text)\n"
        "p362  29  F    American\n"
        "s5  24  F    British\n",
    )
    return root


def librispeech(root: Path) -> Path:
    """LibriSpeech: two subsets, of 1089 (two chapters) and 121."""
    for subset, speaker, chapter in (
        ("test-clean", "1089", "134686"),
        ("test-clean", "1089", "134691"),
        ("dev-clean", "121", "121726"),
    ):
        folder = root / subset / speaker / chapter
        names = [f"{speaker}-{chapter}-{i:04d}" for i in range(2)]
        for name in names:
            tone(folder / f"{name}.flac")
        text(folder / f"{speaker}-{chapter}.trans.txt", "".join(f"{name} HE HOPED\n" for name in names))
    text(
        root / "SPEAKERS.TXT",
        ";ID  |SEX| SUBSET           |MINUTES| NAME\n"
        "121  | F | dev-clean        | 8.13  | Nikolle Doolin\n"
        "1089 | M | test-clean       | 8.03  | Peter Bobbe\n",
    )
    return root


TIMIT = ("TRAIN/DR1/FCJF0/SA1", "TRAIN/DR1/FCJF0/SX37", "TRAIN/DR2/MARC0/SI1188", "TEST/DR1/FDAW0/SA1")
PHN = "0 2000 h#\n2000 3000 s\n3000 3500 tcl\n3500 4000 t\n4000 6000 aa\n6000 8000 h#\n"


def timit(root: Path, lower: bool = False, copies: bool = False) -> Path:
    """TIMIT as the LDC's disc has it, NIST SPHERE in files called .WAV; half a second a sentence, at 16 kHz. `copies`:
    RIFF beside, as `SA1.WAV.wav`."""
    wave = 0.3 * np.sin(np.arange(8000) / 5)
    for name in TIMIT:
        for ending in (".WAV", ".TXT", ".PHN", ".WRD"):
            path = root / (f"{name}{ending}".lower() if lower else f"{name}{ending}")
            path.parent.mkdir(parents=True, exist_ok=True)
            if ending == ".WAV":
                soundfile.write(path, wave, 16000, format="NIST", subtype="PCM_16")
            elif ending == ".TXT":
                path.write_text("0 8000 She had your dark suit.\n")
            else:
                path.write_text(PHN if ending == ".PHN" else "2000 4000 she\n")
            if copies and ending == ".WAV":
                soundfile.write(path.with_name(f"{path.name}.wav"), wave, 16000)
    (root / "README.DOC").write_text("TIMIT\n")
    return root
