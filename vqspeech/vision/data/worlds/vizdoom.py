"""ViZDoom (Wydmuch et al., 1809.03470): Doom as a world, with the maps of the package; needs no display."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vqspeech.errors import CorpusError
from vqspeech.extras import import_extra
from vqspeech.vision.data.worlds import SIZE

MAPS = ("my_way_home", "deathmatch", "freedoom1:E1M1", "freedoom1:E1M2", "freedoom2:MAP01")
"""A maze, an arena and three halls: a scenario by its name, a map of a game file as FILE:MAP."""
_BUTTONS = ("MOVE_FORWARD", "TURN_LEFT", "TURN_RIGHT", "MOVE_BACKWARD")
_HIDDEN = ("hud", "weapon", "crosshair", "messages", "screen_flashes")


class ViZDoom:
    """Doom as a `World`. A tick is 1/35 s.

    There are no monsters and no overlays. The view is rendered at 160x120 and resized to a square.
    """

    def __init__(self, skip: int):
        self.skip, self.name = skip, ""
        self.library: Any = import_extra("vizdoom", "vizdoom")
        self.game: Any = None
        self.folder = tempfile.TemporaryDirectory()  # for what the game writes as long as it runs

    def start(self, name: str, seed: int) -> None:
        """Start an episode on a map."""
        if name != self.name or self.game is None:
            self.close()
            self.game, self.name = _game(self.library, name, Path(self.folder.name)), name
        self.game.set_seed(seed % (1 << 31))
        self.game.new_episode()

    def render(self) -> np.ndarray:
        """Return the view: uint8 `(3, 84, 84)`."""
        from PIL import Image

        screen = Image.fromarray(self.game.get_state().screen_buffer)
        return np.asarray(screen.resize((SIZE, SIZE), Image.Resampling.BOX)).transpose(2, 0, 1)

    def act(self, action: int) -> bool:
        """Take an action and return whether the episode goes on."""
        self.game.make_action([float(i == action) for i in range(len(_BUTTONS))], self.skip)
        return not self.game.is_episode_finished()

    def read_position(self) -> np.ndarray:
        """Return the position of the player: float64 `(2,)`."""
        return np.array(self.game.get_state().game_variables, np.float64)

    def close(self) -> None:
        """Close the game."""
        if self.game is not None:
            self.game.close()
        self.game = None


def _game(library: Any, name: str, folder: Path) -> Any:
    game = library.DoomGame()
    file, _, level = name.partition(":")
    path = Path(library.__file__).parent / f"{file}.wad" if level else Path(library.scenarios_path) / f"{file}.wad"
    if not path.is_file() or file.startswith(("cig", "multi")):  # those need other players
        scenarios = sorted(one.stem for one in Path(library.scenarios_path).glob("*.wad"))
        known = [one for one in scenarios if not one.startswith(("cig", "multi"))]
        raise CorpusError(
            f"ViZDoom has no map '{name}'; there are {', '.join(known)}, and FILE:MAP of freedoom1 (E1M1 …) and "
            "freedoom2 (MAP01 …)"
        )
    if level:
        game.set_doom_game_path(str(path))
    else:
        game.set_doom_scenario_path(str(path))
    game.set_doom_map(level or "map01")
    game.set_screen_format(library.ScreenFormat.RGB24)
    game.set_screen_resolution(library.ScreenResolution.RES_160X120)
    for what in _HIDDEN:
        getattr(game, f"set_render_{what}")(False)
    game.set_window_visible(False)
    game.set_sound_enabled(False)
    game.set_available_buttons([getattr(library.Button, button) for button in _BUTTONS])
    game.set_available_game_variables([library.GameVariable.POSITION_X, library.GameVariable.POSITION_Y])
    game.add_game_args("-nomonsters")
    game.set_doom_skill(1)
    game.set_mode(library.Mode.PLAYER)
    game.set_episode_timeout(10**6)
    game.set_doom_config_path(str(folder / "vizdoom.ini"))
    with _inside(folder):
        try:
            game.init()
        except Exception as error:  # noqa: BLE001, the library's own exceptions
            raise CorpusError(f"ViZDoom cannot open the map '{name}' ({error}); name another one") from None
    return game


@contextmanager
def _inside(folder: Path):
    """Change the working folder for a while: the game writes into the one it is started in."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
