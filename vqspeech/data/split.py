"""Split a data directory into the utterances a model learns from and those it is judged on."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from vqspeech.data.datadir import DataDir, Utterance
from vqspeech.errors import DataDirError

_Group = list[Utterance]
_BETWEEN_WORDS = re.compile(r"[^\w']+")


def split(data: DataDir, unseen_speakers: int | Sequence[str], share: float, seed: int = 0) -> dict[str, DataDir]:
    """Return the data in four parts: `train`, `dev` and `test` of the same speakers, and `unseen` of all others.

    `dev` and `test` have about `share` of each speaker's utterances each, at least one where that leaves one to learn
    from. A sentence is held out for all speakers or for none: what many speakers read is held out first, so that the
    held-out sets are as parallel as they can be, and no text of `dev` or `test` is in `train` (letter case and
    punctuation aside; an utterance without text counts as a sentence of its own). The sentences of `unseen` may be in
    any set.

    Args:
        data: The utterances.
        unseen_speakers: Ids, or how many to choose, alternating genders where these are known.
        share: Of `dev` and of `test`, above 0 and below 0.5.
        seed: The same seed gives the same split.

    Raises:
        DataDirError: The speakers do not exist or are too many, or nothing could be held out.
    """
    if not 0 < share < 0.5:
        raise DataDirError(f"a share of {share} for dev and test each; give more than 0 and less than 0.5")
    random = np.random.default_rng(seed)
    unseen = _choose_unseen(data, unseen_speakers, random)
    seen = [utterance for utterance in data if utterance.speaker not in unseen]
    held_out = _choose_held_out(seen, share, random)
    if not all(held_out.values()):
        empty = " and ".join(name for name, names in held_out.items() if not names)
        fix = "give some speaker at least three different sentences"
        raise DataDirError(f"{empty} would be empty: too few sentences to hold any out; {fix}")
    away = held_out["dev"] | held_out["test"]
    return {
        "train": DataDir(utterance for utterance in seen if utterance.id not in away),
        "dev": DataDir(utterance for utterance in seen if utterance.id in held_out["dev"]),
        "test": DataDir(utterance for utterance in seen if utterance.id in held_out["test"]),
        "unseen": DataDir(utterance for utterance in data if utterance.speaker in unseen),
    }


def normalise_sentence(text: str) -> str:
    """Return the words of a text without letter case and punctuation: two texts with the same are the same sentence."""
    return _BETWEEN_WORDS.sub(" ", text.casefold()).strip() or text


def _choose_unseen(data: DataDir, wanted: int | Sequence[str], random: np.random.Generator) -> set[str]:
    speakers = {name: some[0].gender for name, some in data.by_speaker.items()}
    count = wanted if isinstance(wanted, int) else len(set(wanted))
    if not 0 <= count < len(speakers):
        raise DataDirError(f"{count} unseen speakers of {len(speakers)}; leave at least one to learn from")
    if not isinstance(wanted, int):
        unknown = sorted(set(wanted) - set(speakers))
        if unknown:
            some = ", ".join(list(speakers)[:8])
            raise DataDirError(f"no speaker {', '.join(unknown)}; there are {len(speakers)}, such as {some}")
        return set(wanted)
    shuffled = [str(name) for name in random.permutation(list(speakers))]
    turns = [[name for name in shuffled if speakers[name] == gender] for gender in ("f", "m", None)]
    if random.integers(2):
        turns[0], turns[1] = turns[1], turns[0]
    known = max(len(turns[0]), len(turns[1]))
    in_turn = [names[i] for i in range(known) for names in turns[:2] if i < len(names)] + turns[2]
    return set(in_turn[:count])


def _choose_held_out(seen: Iterable[Utterance], share: float, random: np.random.Generator) -> dict[str, set[str]]:
    groups: dict[str, _Group] = {}
    left: dict[str, int] = {}  # utterances of each speaker that are left for training
    for utterance in seen:
        key = "id " + utterance.id if utterance.text is None else "text " + normalise_sentence(utterance.text)
        groups.setdefault(key, []).append(utterance)
        left[utterance.speaker] = left.get(utterance.speaker, 0) + 1
    shuffled = [groups[key] for key in random.permutation(sorted(groups)).tolist()]
    shuffled.sort(key=lambda group: -len({utterance.speaker for utterance in group}))
    quota = {speaker: max(1, round(share * count)) for speaker, count in left.items()}
    needs = {"test": dict(quota), "dev": dict(quota)}
    parts: dict[str, set[str]] = {"test": set(), "dev": set()}
    rest: list[_Group] = []
    for group in shuffled:
        name = max(needs, key=lambda part: (_count_useful(group, needs[part]), _count_needed(group, needs[part])))
        if 2 * _count_useful(group, needs[name]) > len(group) and _hold_out(group, left, needs[name], parts[name]):
            continue
        rest.append(group)
    # Then the speakers that a part still lacks, with the least excess for the others.
    rest.sort(key=len)
    for name, need in needs.items():
        for group in rest:
            if group[0].id not in parts["test"] and any(need[one.speaker] == quota[one.speaker] for one in group):
                _hold_out(group, left, need, parts[name])
    return parts


def _count_useful(group: _Group, need: dict[str, int]) -> int:
    """Return how many utterances of the group a part still needs."""
    counts: dict[str, int] = {}
    for utterance in group:
        counts[utterance.speaker] = counts.get(utterance.speaker, 0) + 1
    return sum(min(count, max(0, need[speaker])) for speaker, count in counts.items())


def _count_needed(group: _Group, need: dict[str, int]) -> int:
    """Return how many utterances a part still needs of the group's speakers."""
    return sum(max(0, need[speaker]) for speaker in {utterance.speaker for utterance in group})


def _hold_out(group: _Group, left: dict[str, int], need: dict[str, int], part: set[str]) -> bool:
    """Hold the group out, unless that leaves some speaker without an utterance to learn from; return whether it did."""
    for utterance in group:
        left[utterance.speaker] -= 1
    if any(left[utterance.speaker] < 1 for utterance in group):
        for utterance in group:
            left[utterance.speaker] += 1
        return False
    for utterance in group:
        need[utterance.speaker] -= 1
        part.add(utterance.id)
    return True
