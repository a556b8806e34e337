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
from vqspeech.text.models import MODELS as TRANSLATORS
from vqspeech.text.training.translation import TranslationTask
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
PARTS = {"": "Speech", "vision": "Images and video", "text": "Translation"}
"""Folders below `CONF` with configurations of their own, and what the page calls them."""
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


def list_sections(part: str) -> list[Section]:
    """Return the sections of a part of `PARTS`."""
    groups: dict[str, Options | Kinds]
    trainings: dict[str, tuple[Options, str]]
    if part == "text":
        groups = {name: group for model in TRANSLATORS.values() for name, group in model.list_groups().items()}
        groups["model"] = Kinds("model", {name: model.kind for name, model in TRANSLATORS.items()})
        del groups["quantizer"]  # that of speech
        trainings = {"models that translate": (TranslationTask.training, "translation")}
    elif part == "vision":
        groups = {name: group for model in MODELS.values() for name, group in model.groups.items()}
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
    base = f"{part}/" if part else ""
    found: list[Section] = []
    for name, group in groups.items():
        if isinstance(group, Options):
            file = {"prior": "pixelcnn", "network": "paper", "top": "paper"}.get(name, "")
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


def list_experiments(part: str) -> dict[str, str]:
    """Return what each configuration is for, by name: the comment at the top of its file."""
    found: dict[str, str] = {}
    for path in sorted((CONF / part).glob("*.yaml")):
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
    for part, title in PARTS.items():
        yield from (f"## {title}", "", "| configuration | |", "|---|---|")
        yield from (f"| `{name}` | {_cell(about)} |" for name, about in list_experiments(part).items())
        yield ""
        for section in list_sections(part):
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
    """Return the comments beside the keys of a file, or of those that it builds on."""
    path = CONF / file
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    matches = (re.fullmatch(r"(\w+):.*?\s#\s*(.+)", line) for line in lines)
    found = {match[1]: match[2] for match in matches if match}
    for base in _list_bases(file):
        found = {**_read_comments(base), **found}
    return found


@cache
def _read_values(file: str) -> Mapping[str, Any]:
    """Return the values of a file over those of the files that it builds on."""
    found = _load(file)
    for base in _list_bases(file):
        found = {**_read_values(base), **found}
    return found


def _list_bases(file: str) -> list[str]:
    names = [one for one in _load(file).get("defaults", ()) if one != "_self_"]
    return [(Path(file).parent / f"{name}.yaml").as_posix() for name in reversed(names)]


def _load(file: str) -> dict[str, Any]:
    path = CONF / file
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
