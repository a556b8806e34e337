"""Recording: the explorer, splitting by episode, the same frames from the same seed; ViZDoom where it is installed."""

import sys

import numpy as np
import pytest

from vqspeech.errors import CorpusError, MissingExtra
from vqspeech.vision.data import recording
from vqspeech.vision.data.images import read_images
from vqspeech.vision.data.recording import BACK, FORWARD, LEFT, RIGHT, Explorer
from vqspeech.vision.data.worlds import ACTIONS, list_maps, open_world


class Room:
    """A square room: forward walks 10 units the way one looks, unless there is a wall 100 units from the middle."""

    skip = 4

    def __init__(self, ends_after=10**9):
        self.ends_after = ends_after

    def start(self, name, seed):
        self.at, self.angle, self.steps, self.map, self.seed = np.zeros(2), seed % 8, 0, name, seed
        self.done = []

    def render(self):
        frame = np.zeros((3, 84, 84), np.uint8)
        frame[:, 0, :4] = (*np.abs(self.at).astype(np.uint8), self.angle, self.seed % 251)
        return frame

    def act(self, action):
        self.steps += 1
        self.done.append(action)
        if action in (LEFT, RIGHT):
            self.angle = (self.angle + (1 if action == LEFT else -1)) % 8
        else:
            way = np.array([np.cos(self.angle * np.pi / 4), np.sin(self.angle * np.pi / 4)])
            self.at = np.clip(self.at + way * (10 if action == FORWARD else -10), -100, 100)
        return self.steps < self.ends_after

    def read_position(self):
        return self.at

    def close(self):
        pass


def test_the_explorer_turns_away_from_walls_to_one_side():
    explorer = Explorer(np.random.default_rng(0))
    for _ in range(50):
        while explorer.choose_action(10.0) != FORWARD:
            pass
        turned = explorer.choose_action(0.0)
        assert turned in (LEFT, RIGHT)
        assert [explorer.choose_action(10.0) for _ in range(2)] == [turned, turned]


def test_the_explorer_does_everything():
    explorer = Explorer(np.random.default_rng(0))
    counts = np.bincount([explorer.choose_action(10.0) for _ in range(4000)], minlength=len(ACTIONS)) / 4000
    assert counts[FORWARD] > 0.5 and counts[LEFT] > 0.08 and counts[RIGHT] > 0.08 and 0.01 < counts[BACK] < 0.1


def test_actions_lead_from_a_frame_to_the_next():
    place = Room()
    frames = list(recording.record_episode(place, "m", (0, 1), 50))
    assert len(frames) == 50 and [action for _, action in frames] == place.done[-50:]
    angles = [int(pixels[0, 0, 2]) for pixels, _ in frames]
    for (_, action), before, after in zip(frames, angles, angles[1:], strict=False):
        assert (after - before) % 8 == {LEFT: 1, RIGHT: 7}.get(action, 0)


def test_sets_are_split_by_episode_and_hold_every_map(tmp_path):
    written = recording.record_corpus(Room(), ["m", "n"], 10, 7, seed=3).write(tmp_path)
    assert {part: len(images) for part, images in written.items()} == {"train": 112, "dev": 14, "test": 14}
    episodes = {part: set(np.asarray(images.table.episodes).tolist()) for part, images in written.items()}
    assert len(set.union(*episodes.values())) == 20 == sum(map(len, episodes.values())), "no episode is in two sets"
    for images in written.values():
        assert images.classes == ["m", "n"] and set(images.table.labels.tolist()) == {0, 1}
        assert tuple(images.actions) == ACTIONS and images.shape == (3, 84, 84)
    again = recording.record_corpus(Room(), ["m", "n"], 10, 7, seed=3).write(tmp_path / "again")
    other = recording.record_corpus(Room(), ["m", "n"], 10, 7, seed=4).write(tmp_path / "other")
    first = written["train"].pixels(slice(None))
    assert (again["train"].pixels(slice(None)) == first).all() and (other["train"].pixels(slice(None)) != first).any()


def test_episodes_that_end_early_are_short_and_never_empty(tmp_path):
    written = recording.record_corpus(Room(ends_after=70), ["m"], 3, 20, seed=0).write(tmp_path)
    for images in written.values():
        assert 0 < len(images) <= 20


def test_episodes_that_show_frames_of_another_set_are_walked_anew(tmp_path):
    class Dark(Room):
        """Looks alike in every episode whose seed is even."""

        def render(self):
            return np.full((3, 84, 84), 7, np.uint8) if self.seed % 2 == 0 else super().render()

    written = recording.record_corpus(Dark(), ["m"], 10, 5, seed=0).write(tmp_path)
    shown = {part: {one.tobytes() for one in images.pixels(slice(None))} for part, images in written.items()}
    assert not shown["train"] & shown["test"] and not shown["train"] & shown["dev"] and not shown["dev"] & shown["test"]


@pytest.mark.parametrize(("episodes", "frames"), [(2, 9), (3, 1)])
def test_too_little_to_split(episodes, frames):
    with pytest.raises(CorpusError, match="use at least 3 episodes of 2 frames"):
        recording.record_corpus(Room(), ["m"], episodes, frames, 0)


def test_worlds_that_are_not_there(monkeypatch):
    with pytest.raises(CorpusError, match="no world 'minecraft'; there are vizdoom, deepmind_lab"):
        open_world("minecraft", 4)
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(MissingExtra, match=r"vqspeech\[vizdoom\]"):
        open_world("vizdoom", 4)
    monkeypatch.setitem(sys.modules, "deepmind_lab", None)
    with pytest.raises(CorpusError, match="DeepMind Lab cannot be imported"):
        open_world("deepmind_lab", 4)
    assert len(list_maps("vizdoom")) == 5 and len(list_maps("deepmind_lab")) == 5


def test_vizdoom(tmp_path, monkeypatch):
    pytest.importorskip("vizdoom")
    monkeypatch.chdir(tmp_path)
    place = open_world("vizdoom", 4)
    try:
        frames, again, other = (
            list(recording.record_episode(place, "my_way_home", seed, 3)) for seed in ((1,), (1,), (2,))
        )
        with pytest.raises(CorpusError, match="no map 'nowhere'; there are basic"):
            place.start("nowhere", 0)
    finally:
        place.close()
    pixels = np.stack([one for one, _ in frames])
    assert pixels.shape == (3, 3, 84, 84) and pixels.dtype == np.uint8 and pixels.std() > 10
    assert all((a == b).all() and i == j for (a, i), (b, j) in zip(frames, again, strict=True))
    assert any((a != b).any() for (a, _), (b, _) in zip(frames, other, strict=True))
    assert not list(tmp_path.iterdir()), "nothing is left in the working folder"
    sets = recording.record_corpus(Room(), ["m"], 3, 2, 0).write(tmp_path / "d")
    assert read_images(tmp_path / "d" / "test").description == sets["test"].description
