"""Export a model for publication: half or a quarter of the size, without training state, with a model card.

The card holds the configuration, the voices, and the scores of the experiment, if any.
"""

import argparse
from pathlib import Path

import torch

from vqspeech.commands.arguments import output_file, output_folder
from vqspeech.commands.loading import add_model_argument, find_model, load_coder
from vqspeech.commands.outputs import check_outputs
from vqspeech.data.datadir import DataDir
from vqspeech.errors import ConfigError
from vqspeech.files import write_text
from vqspeech.jobs import Skipped
from vqspeech.metrics.reports import scores
from vqspeech.metrics.reports.card import format_card
from vqspeech.models import checkpoint
from vqspeech.models.live.model import Live

EXAMPLE = "vqspeech export --model exp/vctk_world --out voice.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech export`."""
    add_model_argument(parser)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--out", type=output_file, metavar="FILE", help="NAME.safetensors to write; the card is NAME.md")
    kind.add_argument(
        "--onnx",
        type=output_folder,
        metavar="DIR",
        help="write a live model as ONNX graphs, with their states as inputs and outputs, and a program that runs them",
    )
    parser.add_argument(
        "--about", metavar="TEXT", help="Markdown file for the card: training data, licence, how the model was trained"
    )
    parser.add_argument(
        "--int8",
        nargs="?",
        const="all",
        choices=("all", "decoder"),
        help="weights as 8-bit integers with a scale per row; `decoder` leaves the codes unchanged (default: float16)",
    )
    parser.add_argument(
        "--share",
        metavar="FILE",
        help="checkpoint in the folder of --out whose weights, such as the encoder, are not written again",
    )
    parser.add_argument(
        "--scores", metavar="JSON", help="scores for the card (default: scores.json in the folder of the checkpoint)"
    )
    parser.add_argument("--data", metavar="DATA", help="data directory with the genders of the voices")


def run(args: argparse.Namespace) -> int:
    """Write model and card, or the graphs, and print their names."""
    path = find_model(args.model)
    if args.onnx:
        return _write_graphs(path, Path(args.onnx))
    out = Path(args.out)
    if out.suffix != checkpoint.SUFFIX:
        raise ConfigError(f"--out {out}: end it in {checkpoint.SUFFIX}")
    given = [path, *(file for file in (args.about, args.scores, args.share) if file)]
    check_outputs({"model": out, "card": out.with_suffix(".md")}, given, Skipped())
    about_text = _read_text(args.about) if args.about else ""
    default = path.with_name("scores.json")
    scored = Path(args.scores) if args.scores else default if default.is_file() else None
    if scored:
        scores.read(scored)
    model, about = load_coder(path), checkpoint.read(path, "none.")[1]
    if args.data:
        known = {one.speaker: one.gender for one in DataDir.read(args.data) if one.gender}
        model.genders |= {name: gender for name, gender in known.items() if name in model.speakers}
    kept = {key: value for key, value in about.items() if key not in ("config", "speakers", "genders")}
    part = "decoder" if args.int8 == "decoder" else ""
    model.save_pretrained(out, torch.int8 if args.int8 else torch.float16, args.share, part, **kept)
    write_text(out.with_suffix(".md"), format_card(out.stem, load_coder(out), about, about_text, scored))
    print(out, out.with_suffix(".md"), sep="\n")
    return 0


def _write_graphs(path: Path, folder: Path) -> int:
    model = load_coder(path)
    if not isinstance(model, Live):
        raise ConfigError(f"{path}: only a live model is exported as graphs; name one with --model live")
    from vqspeech.models.live.graphs import write_graphs

    folder.mkdir(parents=True, exist_ok=True)
    print(*write_graphs(model, folder), sep="\n")
    return 0


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--about {path}: cannot be read ({error}); give a Markdown file in UTF-8") from None
