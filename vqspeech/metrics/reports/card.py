"""The card of a model: what it is, what it learned from, and how good it is, as Markdown beside the checkpoint."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqspeech import audio
from vqspeech.metrics.measures.codebook import bit_rate
from vqspeech.metrics.reports import markdown, scores
from vqspeech.models.coder import Coder
from vqspeech.models.live.model import Live
from vqspeech.models.vqvae import VQVAE

SECTIONS = ("conversion", "conversion: pitch and spectrum", "training", "units: speakers", "units: phones", "mapping")
"""Sections of a scores file that the card shows: the conversions, the shuffle gap, and what leaks of the speaker,
or the codes beside those of other models."""


def format_card(name: str, model: Coder, about: Mapping[str, Any], data: str = "", scored: Path | None = None) -> str:
    """Return the card of a model called `name`, as Markdown.

    Args:
        name: Of the model.
        model: The model.
        about: What its checkpoint says.
        data: A text on what it learned from, under which licence, by which command.
        scored: A scores file.

    Raises:
        ScoresError: The scores file cannot be read.
    """
    training = about.get("training", {})
    parts = [f"# {name}\n", data.strip() + "\n" if data else "", "## What it is\n"]
    facts = {
        **({"latency": f"{1000 * model.latency / audio.RATE:g} ms"} if isinstance(model, Live) else _codes(model)),
        "decoder": model.config["decoder"]["name"] if isinstance(model, VQVAE) else "none: codes only",
        "parameters": f"{sum(parameter.numel() for parameter in model.parameters()):,}",
        "steps": about.get("step"),
        "seed": training.get("seed"),
        "command": about.get("command"),
        "encoder's SHA-256" if isinstance(model, Live) else "codes' SHA-256": model.fingerprint(),
    }
    parts += [f"- {key}: {value}" for key, value in facts.items() if value is not None]
    parts += [""]
    if isinstance(model, VQVAE):
        parts += ["## Voices\n", markdown.format_table(_voices(model, about.get("adapted", []))), ""]
    found = scores.read(scored)["sections"] if scored else {}
    for section in (found[key] | {"name": key} for key in SECTIONS if key in found):
        parts += [f"## {section['name'].capitalize()}\n", markdown.format_table(section["rows"]), ""]
        parts += [*markdown.format_provenance(section), ""]
    options = {**model.config, **({"training": training} if training else {})}
    parts += [
        "## Configuration\n",
        "```json",
        *(f"{key}: {json.dumps(value)}" for key, value in options.items()),
        "```",
    ]
    return "\n".join(parts) + "\n"


def _codes(model: Coder) -> dict[str, str]:
    codes = model.quantizer.size
    said = f"{codes} of {model.config['encoder']['latents']} dimensions at {model.rate:g} Hz"
    return {"front end": model.frontend.name, "codes": f"{said}, {bit_rate(model.rate, codes):,.0f} bit/s"}


def _voices(model: VQVAE, adapted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    later = {one["name"]: f"adapted from {one['like']}, {one['seconds']:.0f} s of speech" for one in adapted}
    rows = []
    for voice, pitch in zip(model.speakers, model.pitch[:, 0].exp().tolist(), strict=True):
        row = {
            "row": voice,
            "gender": model.genders.get(voice),
            "median F0 (Hz)": None if math.isnan(pitch) else round(pitch),
        }
        rows.append(row | ({"learned": later.get(voice, "in training")} if later else {}))
    return rows
