"""The page of all configuration keys, from the signatures that declare them and the files of `vqspeech/conf`.

What a key means is the comment beside it in the file of its kind (`decoder/world.yaml`), else the entry of
docs/keys.yaml for its group.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from vqspeech.models.prior import LatentPrior
from vqspeech.models.vqvae import VQVAE
from vqspeech.schema import Kinds, Options, describe_kind
from vqspeech.training.clustering import ClusteringOptions
from vqspeech.training.codes import CodesTask
from vqspeech.training.masked import MaskedOptions
from vqspeech.training.prior import PriorTask
from vqspeech.training.speech import SpeechTask
from vqspeech.vision.models import MODELS
from vqspeech.vision.models.top import TopVQVAE
from vqspeech.vision.models.video.prior import VideoPrior
from vqspeech.vision.training.reconstruction import ImageTask
from vqspeech.vision.training.video import VideoTask

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "vqspeech" / "conf"
_ABOUT = """
A training takes a configuration by name and settings over it: `vqspeech train --conf vctk_world quantizer=nsvq
decoder.layers=4 training.steps=500`. `vqspeech info --conf NAME` prints it whole. A setting selects a kind of a group
(`quantizer=nsvq`) or changes a key (`quantizer.codes=1024`); an unknown key, or a value that is not allowed, is refused
before any work.
"""


class Key(NamedTuple):
    """An option of a configuration, in words."""

    name: str
    limits: str
    default: str
    meaning: str


class Section(NamedTuple):
    """The options of a kind of a group.

    Attributes:
        title: Of the section.
        about: What the kind is.
        group: The group.
        options: The declaration of its options.
        file: Its file below `vqspeech/conf`.
    """

    title: str
    about: str
    group: str
    options: Options
    file: str


def list_sections(vision: bool) -> list[Section]:
    """Return the sections of the groups of speech, or of images and video."""
    if vision:
        groups: dict[str, Options | Kinds] = {
            name: group for model in MODELS.values() for name, group in model.groups.items()
        }
        models = [model.groups["model"] for model in MODELS.values()]
        kinds = {kind: made for one in models if isinstance(one, Kinds) for kind, made in one.kinds.items()}
        groups |= {"model": Kinds("model", kinds), **TopVQVAE.groups, **VideoPrior.groups}
        del groups["quantizer"]
        trainings = {
            "models of images": (ImageTask.training, "images"),
            "priors over codes of images, and the second VQ-VAE": (CodesTask.training, "codes"),
            "priors over video": (VideoTask.training, "video"),
        }
    else:
        groups = {**VQVAE.groups, **LatentPrior.groups}
        trainings = {
            "VQ-VAE": (SpeechTask.training, "default"),
            "content encoders, by masked prediction": (Options(MaskedOptions), "masked"),
            "units by clustering": (Options(ClusteringOptions), "clustering"),
            "priors over codes": (PriorTask.training, "prior"),
        }
    base = "vision/" * vision
    found: list[Section] = []
    for name, group in groups.items():
        if isinstance(group, Options):
            file = {"prior": "pixelcnn", "network": "paper", "top": "paper"}[name]
            found.append(Section(name, "", name, group, f"{base}{name}/{file}.yaml"))
        else:
            for kind, made in group.kinds.items():
                options = Options(made, group.given, group.extra)
                about = (inspect.getdoc(made) or "").partition("\n\n")[0]
                found.append(Section(f"{name}={kind}", about, name, options, f"{base}{name}/{kind}.yaml"))
    for title, (options, file) in trainings.items():
        found.append(Section(f"training of {title}", "", "training", options, f"{base}training/{file}.yaml"))
    return found


def list_keys(section: Section) -> list[Key]:
    """Return the options of a section."""
    comments, values = _read_comments(section.file), _read_values(section.file)
    keys: list[Key] = []
    for name, one in section.options.fields.items():
        default = values.get(name, one.default)
        text = "" if default is inspect.Parameter.empty else yaml.safe_dump(_plain(default), default_flow_style=True)
        text = text.removesuffix("\n").removesuffix("...").strip()
        meaning = comments.get(name) or read_meanings().get(f"{section.group}.{name}", "")
        keys.append(Key(name, describe_kind(one.kind), text, meaning))
    return keys


def list_experiments(vision: bool) -> dict[str, str]:
    """Return what each configuration is for, by name: the comment at the top of its file."""
    folder = CONF / "vision" if vision else CONF
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        head = takewhile(lambda line: line.startswith("#"), lines)
        found[path.stem] = " ".join(line.removeprefix("#").strip() for line in head)
    return found


@cache
def read_meanings() -> dict[str, str]:
    """Return what keys mean that have no comment in the file of their kind: by "group.key"."""
    return yaml.safe_load((ROOT / "docs" / "keys.yaml").read_text(encoding="utf-8"))


def make_page() -> str:
    """Return the page."""
    return "\n".join(_write()) + "\n"


def _write() -> Iterator[str]:
    yield from (
        "# Configuration",
        "",
        _ABOUT,
        "",
    )
    for title, vision in (("Speech", False), ("Images and video", True)):
        yield from (f"## {title}", "", "| configuration | |", "|---|---|")
        yield from (f"| `{name}` | {_cell(about)} |" for name, about in list_experiments(vision).items())
        yield ""
        for section in list_sections(vision):
            yield from (f"### {section.title}", "")
            if section.about:
                yield from (" ".join(section.about.split()), "")
            yield from ("| key | allowed | default | meaning |", "|---|---|---|---|")
            for key in list_keys(section):
                default = f"`{key.default}`" if key.default else "must be given"
                yield f"| `{section.group}.{key.name}` | {_cell(key.limits)} | {default} | {_cell(key.meaning)} |"
            yield ""


@cache
def _read_comments(file: str) -> Mapping[str, str]:
    """Return the comments beside the keys of a file."""
    path = CONF / file
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = (re.fullmatch(r"(\w+):.*?\s#\s*(.+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


@cache
def _read_values(file: str) -> Mapping[str, Any]:
    path = CONF / file
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
