"""The page of configuration keys: each key of each file is there, with its meaning, its limits and its unit."""

import re
import sys

import pytest
import yaml

from tests.conftest import ROOT
from vqspeech.conf import load_config

sys.path.insert(0, str(ROOT / "tools" / "docs"))
import configuration

PARTS = list(configuration.PARTS)
UNITS = {
    "minutes": "time", "seconds": "length of a window", "listen_seconds": "(s)", "hop": "frames of 10 ms",
    "warmup": "updates", "steps": "updates|mini-batch", "batch": "per step", "window": "frames|codes|rows",
    "longest": "pieces", "listen_every": "steps", "show_every": "steps", "evaluate_every": "updates",
    "check_every": "steps", "noise": "standard deviations", "channel": "standard deviations", "reach": "20 ms",
    "size": "pieces", "codes": "code vectors|of each stage", "floor": "standard deviations",
}  # fmt: skip
"""Words by which the meaning of a quantity names its unit."""


@pytest.mark.parametrize("part", PARTS)
def test_every_key_says_what_it_means_in_which_unit_and_what_is_allowed(part):
    sections = configuration.list_sections(part)
    keys = [(section, key) for section in sections for key in configuration.list_keys(section)]
    assert len(keys) > 25
    for section, key in keys:
        name = f"{part} {section.title} {key.name}"
        assert len(key.meaning) >= 4 and re.search("[a-z]{3}", key.meaning), f"{name} has no meaning"
        assert key.limits, f"{name} has no range"
        assert re.search(UNITS.get(key.name, ""), key.meaning), f"{name} has no unit: {key.meaning}"


@pytest.mark.parametrize("part", PARTS)
def test_every_key_of_every_configuration_is_described(part):
    described = list_described(part)
    if part:
        described |= {one for one in list_described("") if one[0] in ("quantizer", "encoder", "decoder")}
    names = list(configuration.list_experiments(part))
    assert names
    for name in names:
        for group, options in load_config(name, module=f"vqspeech.conf.{part}".rstrip(".")).items():
            for key in options:
                assert key == "name" or (group, key) in described, f"{name}: {group}.{key} is not described"


def list_described(part: str) -> set[tuple[str, str]]:
    return {(section.group, key) for section in configuration.list_sections(part) for key in section.options.fields}


def test_no_meaning_is_of_a_key_that_is_gone():
    described = {f"{group}.{key}" for part in PARTS for group, key in list_described(part)}
    assert not configuration.read_meanings().keys() - described


def test_defaults_are_those_of_the_file_and_of_what_it_builds_on():
    [latent] = [one for one in configuration.list_sections("text") if one.title == "model=latent"]
    found = {key.name: key for key in configuration.list_keys(latent)}
    text = (configuration.CONF / "text" / "model" / "autoregressive.yaml").read_text()
    assert found["width"].default == str(yaml.safe_load(text)["width"]) and found["codebooks"].default == "2"
    assert found["offsets"].meaning == "pieces that a translation may be shorter or longer than its source"


def test_the_page_has_all_parts():
    page = configuration.make_page()
    for key in ("`training.learn`", "`vocabulary.size`", "`likelihood.mixtures`", "`frontend.warp`", "`latent_small`"):
        assert f"| {key} |" in page
    assert not re.search(r"^\| `[^|]*\|[^|]*\|[^|]*\|\s*\|$", page, re.MULTILINE), "no cell is empty"
