"""TextGrids in the forms that Praat writes, and with the faults that other programs and hands leave in them."""

import base64
import random

import pytest

from vqspeech.data import alignment
from vqspeech.data.textgrid import read_tiers
from vqspeech.errors import AlignmentError

PHONES = [(0, 0.5, "HH"), (0.5, 1.25, 'A"H'), (1.25, 2, "ɹ")]
WORDS = [(0, 2, 'café "x"')]
BINARY = base64.b64decode(
    "b29CaW5hcnlGaWxlCFRleHRHcmlkAAAAAAAAAABAAAAAAAAAAAEAAAADDEludGVydmFsVGllcgAGcGhvbmVzAAAAAAAAAABAAAAAAAAAAAAAAAMAAA"
    "AAAAAAAD/gAAAAAAAAAAJISD/gAAAAAAAAP/QAAAAAAAAAA0EiSD/0AAAAAAAAQAAAAAAAAAD//wABAnkIVGV4dFRpZXIABXRvbmVzAAAAAAAAAABA"
    "AAAAAAAAAAAAAAI/4AAAAAAAAAACSCo/5mZmZmZmZgACTCIMSW50ZXJ2YWxUaWVyAAV3b3JkcwAAAAAAAAAAQAAAAAAAAAAAAAABAAAAAAAAAABAAAAA"
    "AAAAAP//AAgAYwBhAGYA6QAgACIAeAAi"
)
"""The grid below, as Praat 6.4 saves it as a binary file."""
CHRONOLOGICAL = """"Praat chronological TextGrid text file"
0 2    ! Time domain.
3    ! Number of tiers.
"IntervalTier" "phones" 0 2
"TextTier" "tones" 0 2
"IntervalTier" "words" 0 2

! phones:
1 0 0.5
"HH"

! words:
3 0 2
"café ""x\"""

! phones:
1 0.5 1.25
"A""H"

! tones:
2 0.5
"H*"

! tones:
2 0.7
"L\"""

! phones:
1 1.25 2
"ɹ"
"""
"""The same as Praat saves it as chronological text."""
HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
SHORT = (
    HEAD + '0\n2\n<exists>\n3\n"IntervalTier"\n"phones"\n0\n2\n3\n0\n0.5\n"HH"\n0.5\n1.25\n"A""H"\n1.25\n2\n"ɹ"\n'
    '"TextTier"\n"tones"\n0\n2\n2\n0.5\n"H*"\n0.7\n"L"""\n"IntervalTier"\n"words"\n0\n2\n1\n0\n2\n"café ""x"""\n'
)


def long_text(tiers: dict[str, list[tuple]], counts: dict[str, int] | None = None) -> str:
    """Praat's long text, with other counts of intervals than there are."""
    lines = [HEAD + f"xmin = 0 \nxmax = 2 \ntiers? <exists> \nsize = {len(tiers)} \nitem []: "]
    for number, (name, entries) in enumerate(tiers.items(), 1):
        points = any(len(entry) == 2 for entry in entries)
        kind, one = ("TextTier", "points") if points else ("IntervalTier", "intervals")
        lines.append(f'    item [{number}]:\n        class = "{kind}" \n        name = "{name}" ')
        size = (counts or {}).get(name, len(entries))
        lines.append(f"        xmin = 0 \n        xmax = 2 \n        {one}: size = {size} ")
        for n, entry in enumerate(entries, 1):
            *times, label = entry
            names = ["number"] if points else ["xmin", "xmax"]
            lines.append(f"        {one} [{n}]:")
            lines += [f"            {key} = {time} " for key, time in zip(names, times, strict=True)]
            quoted = label.replace('"', '""')
            lines.append(f'            {"mark" if points else "text"} = "{quoted}" ')
    return "\n".join(lines) + "\n"


LONG = long_text({"phones": PHONES, "tones": [(0.5, "H*"), (0.7, 'L"')], "words": WORDS})


@pytest.mark.parametrize(
    "content",
    [
        LONG.encode(),
        LONG.encode("utf-8-sig"),
        b"\xfe\xff" + LONG.encode("utf-16-be"),
        b"\xff\xfe" + LONG.encode("utf-16-le"),
        LONG.replace("\n", "\r\n").encode(),
        LONG.replace("\n", "\r").encode(),
        SHORT.encode(),
        SHORT.replace('"ooTextFile"\nObject class = ', '"ooTextFile short"\n').encode(),
        SHORT.replace("\n", " ").encode(),
        b"\xfe\xff" + SHORT.encode("utf-16-be"),
        CHRONOLOGICAL.encode(),
        BINARY,
    ],
    ids=[
        "long",
        "bom",
        "utf-16-be",
        "utf-16-le",
        "dos",
        "mac",
        "short",
        "old-short",
        "one-line",
        "short-utf-16",
        "chronological",
        "binary",
    ],
)
def test_every_form_of_praat(tmp_path, content):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(content)
    assert [(tier.name, tier.points) for tier in read_tiers(path)] == [
        ("phones", False),
        ("tones", True),
        ("words", False),
    ]
    assert alignment.read_alignment(path) == PHONES and alignment.read_words(path) == WORDS


def test_latin_1_of_old_praat(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(long_text({"phones": PHONES[:1], "words": WORDS}).encode("latin-1"))
    assert alignment.read_words(path) == WORDS


def test_a_package_reads_what_we_write(tmp_path):
    textgrid = pytest.importorskip("textgrid")
    path = tmp_path / "a.TextGrid"
    alignment.write_textgrid(path, {"phones": [alignment.Interval(*one) for one in PHONES]}, 2.5)
    (tier,) = textgrid.TextGrid.fromFile(str(path))
    assert [(i.minTime, i.maxTime, i.mark) for i in tier] == [*PHONES, (2, 2.5, "")]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("form", ["long", "short"])
def test_a_wrong_count_of_intervals_loses_nothing(tmp_path, count, form):
    path = tmp_path / "a.TextGrid"
    short = SHORT.replace('"phones"\n0\n2\n3\n', f'"phones"\n0\n2\n{count}\n')
    long = long_text({"phones": PHONES, "words": WORDS}, {"phones": count})
    path.write_text(short if form == "short" else long, encoding="utf-8")
    assert alignment.read_alignment(path) == PHONES and alignment.read_words(path) == WORDS


@pytest.mark.parametrize("lost", [1, 20, 60, 150])
def test_a_tier_that_breaks_off_is_refused(tmp_path, lost):
    path = tmp_path / "a.TextGrid"
    path.write_text(long_text({"words": WORDS, "phones": PHONES})[: -lost - 2], encoding="utf-8")
    with pytest.raises(AlignmentError, match=r"a.TextGrid: tier 'phones': it ends after interval \d of 3"):
        alignment.read_alignment(path)
    assert alignment.read_words(path) == WORDS


@pytest.mark.parametrize(
    ("was", "fault"),
    [('"H*"', '"H*'), ("0.7", "zero"), ("number = 0.5", "number ="), ('"café', "café"), ("xmax = 2", "xmax = x")],
)
def test_a_fault_in_another_tier_costs_nothing(tmp_path, was, fault):
    path = tmp_path / "a.TextGrid"
    head, tail = LONG.split("    item [2]")
    path.write_text(head + "    item [2]" + tail.replace(was, fault), encoding="utf-8")
    assert alignment.read_alignment(path) == PHONES


def test_overlaps_up_to_half_a_millisecond_are_rounding(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(long_text({"phones": [(0, 0.5004, "HH"), (0.5, 2, "AH0")]}))
    assert alignment.read_alignment(path) == [(0, 0.5, "HH"), (0.5, 2, "AH0")]
    path.write_text(long_text({"phones": [(0, 0.5006, "HH"), (0.5, 2, "AH0")]}))
    with pytest.raises(AlignmentError, match=r"'HH' \(0.0000 to 0.5006 s\) and 'AH0' .* overlap"):
        alignment.read_alignment(path)


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ({"words": WORDS}, "want one tier named 'phones', found 'words'"),
        ({"phones": [(0.5, "H*")]}, "want one tier named 'phones'"),
        ({"phones": []}, "no intervals"),
        ({"phones": [(0, 0.5, "AA"), (0.5, 0.25, "T")]}, "'T' starts at 0.5000 s and ends at 0.2500"),
        ({"anna - phones": PHONES, "bruno - phones": PHONES}, "found 'anna - phones', 'bruno - phones'"),
    ],
)
def test_what_cannot_be_told_is_named(tmp_path, tiers, message):
    (tmp_path / "a.TextGrid").write_text(long_text(tiers), encoding="utf-8")
    with pytest.raises(AlignmentError, match=message):
        alignment.read_alignment(tmp_path / "a.TextGrid")


def test_of_several_tiers_of_phones_the_one_of_that_name_counts(tmp_path):
    (tmp_path / "a.TextGrid").write_text(long_text({"phones": PHONES, "my phones": WORDS}), encoding="utf-8")
    assert alignment.read_alignment(tmp_path / "a.TextGrid") == PHONES


@pytest.mark.parametrize("whole", [LONG.encode(), SHORT.encode(), CHRONOLOGICAL.encode(), BINARY])
def test_damage_is_a_named_error_or_none(tmp_path, whole):
    path, draw = tmp_path / "a.TextGrid", random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole[: draw.randrange(1, len(whole) + 1)])
        for _ in range(draw.randrange(4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            alignment.read_alignment(path)
        except AlignmentError as error:
            assert str(path) in str(error)
