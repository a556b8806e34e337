"""Folding phone sets onto the inventory."""

import pytest

from vqspeech.data import phones

TIMIT = (
    "iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h jh ch b d g p t k dx s sh z zh f th v dh m n ng em "
    "nx en eng l r w y hh hv el bcl dcl gcl pcl tcl kcl q pau epi h#"
)
MFA_IPA = (
    "aj aw b bʲ c cʰ cʷ d dʒ dʲ d̪ ej f fʲ h i iː j k kʰ kʷ l m mʲ m̩ n n̩ ow p pʰ pʲ pʷ s t tʃ tʰ tʲ tʷ t̪ v vʲ w z æ ç ð "
    "ŋ ɐ ɑ ɑː ɒ ɒː ɔj ə ɚ ɛ ɝ ɟ ɟʷ ɡ ɡʷ ɪ ɫ ɫ̩ ɱ ɲ ɹ ɾ ɾʲ ɾ̃ ʃ ʉ ʉː ʊ ʎ ʒ ʔ θ"
)


def test_the_inventory_is_the_39_of_cmudict_with_silence_and_noise():
    assert len(phones.PHONES) == len(set(phones.PHONES)) == 41
    assert phones.PHONES[0] == "sil" and phones.INDEX["spn"] == 1
    assert [phones.PHONES[index] for index in phones.INDEX.values()] == list(phones.INDEX)


@pytest.mark.parametrize("phone", phones.PHONES)
def test_the_inventory_folds_to_itself_in_any_spelling(phone):
    for label in (phone, phone.upper(), f" {phone} "):
        assert phones.fold(label) == phones.fold(label, "arpabet") == phone
    if phone[0] in "aeiou":
        assert {phones.fold(f"{phone.upper()}{stress}") for stress in "012"} == {phone}


def test_all_of_timit_folds_but_the_glottal_stop():
    folded = {label: phones.fold(label, "timit") for label in TIMIT.split()}
    assert len(folded) == 61
    assert [label for label, phone in folded.items() if phone is None] == ["q"]
    assert set(folded.values()) - {None} == set(phones.PHONES) - {"spn"}
    assert (folded["bcl"], folded["h#"], folded["ix"], folded["axr"], folded["en"]) == ("b", "sil", "ih", "er", "n")


@pytest.mark.parametrize("label", MFA_IPA.split())
def test_all_of_mfas_english_ipa_folds(label):
    assert phones.fold(label, "ipa") in phones.PHONES
    assert phones.fold(label) is not None


@pytest.mark.parametrize(
    ("label", "source", "expected"),
    [
        ("ˈaɪ", "ipa", ("ay",)),
        ("ɔːɹ", "ipa", ("ao", "r")),
        ("əl", "ipa", ("ah", "l")),
        ("aɪɚ", "ipa", ("ay", "er")),
        ("tʃ", None, ("ch",)),
        ("@L", "espeak", ("ah", "l")),
        ("A@", "espeak", ("aa", "r")),
        ("A@", "espeak-gb", ("aa",)),
        ("S", "espeak", ("sh",)),
        ("S", None, ("s",)),
        (";", "espeak", ()),
        ("", None, ("sil",)),
        ("sp", None, ("sil",)),
        ("<unk>", None, ("spn",)),
        ("\u00e7", None, ("hh",)),
        ("c\u0327", None, ("hh",)),
        ("\u0250\u0303\u031f", None, ("ah",)),
        ("ə˞", None, ("er",)),
        ("ɹ̠", None, ("r",)),
        (r"t\sh", None, ("ch",)),
        (r"\as\:f", None, ("aa",)),
        (r"\tS", "ipa", ("ch",)),
        ("ehn", None, ("eh",)),
        ("tq", "buckeye", ("t",)),
        ("tq", "timit", None),
        ("VOCNOISE", None, ("spn",)),
    ],
)
def test_parts(label, source, expected):
    assert phones.split_label(label, source) == expected
    assert phones.fold(label, source) == (expected[0] if expected and len(expected) == 1 else None)


@pytest.mark.parametrize(
    ("closure", "burst", "source", "one"),
    [
        ("tcl", "t", None, True),
        ("DCL", "jh", "timit", True),
        ("tcl", "ch", "buckeye", True),
        ("gcl", "k", None, True),
        ("tcl", "k", None, False),
        ("t", "tcl", None, False),
        ("tcl", "tcl", None, False),
        ("tcl", "t", "ipa", False),
    ],
)
def test_closures_and_bursts(closure, burst, source, one):
    assert phones.is_closure_of(closure, burst, source) == one


@pytest.mark.parametrize("label", ["xx", "hello", "aa5", "ah00x", "ʘ", "q", "1"])
def test_unknown_labels(label):
    assert phones.split_label(label) is None and phones.fold(label) is None


def test_unknown_source():
    with pytest.raises(ValueError, match="espeak-gb"):
        phones.fold("a", "klingon")


def test_every_table_leads_into_the_inventory():
    for table in (phones._TIMIT, phones._IPA, phones._ESPEAK_RHOTIC, phones._ESPEAK_NONRHOTIC):
        assert {phone for some in table.values() for phone in some} <= set(phones.PHONES)
