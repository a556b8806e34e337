"""Arguments of the command line that the verbs of vision share (not a verb)."""

from vqspeech.commands.arguments import number
from vqspeech.commands.scoring import Argument, argument

EXPERIMENT = argument("experiment", metavar="EXP", help="experiment folder with best.safetensors")
"""The folder of a trained model."""
HELD_OUT = argument("--data", required=True, metavar="SET", help="held-out images")
"""The images that are scored."""


def limit_argument(default: int) -> Argument:
    """Return `--limit`, how many images are scored."""
    return argument("--limit", **number(default, "maximum number of images, evenly spaced over the set"))
