"""Print what an installation of vqspeech has: versions, processor, GPU, sound devices, extras, disk, models, voices.

What needs attention is listed at the end, with what to do; the exit status is then 1.
"""

import argparse
import importlib
import os
import platform
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from vqspeech import __version__, pretrained
from vqspeech.commands.arguments import add_json_argument
from vqspeech.commands.loading import VARIABLE
from vqspeech.commands.outputs import print_json
from vqspeech.errors import FAILED, CheckpointError, VqspeechError
from vqspeech.voices import Voice, read_voices, voice_folder

EXAMPLE = "vqspeech doctor --json"
VERSIONS = (
    "torch",
    "numpy",
    "soundfile",
    "soxr",
    "safetensors",
    "accelerate",
)
"""Packages whose versions matter most."""
ROOM = 2e9
"""Bytes of free disk below which work may fail."""
Section = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vqspeech doctor`."""
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the sections, then what needs attention; the exit status is 1 where something does."""
    problems: list[str] = []
    sections: dict[str, Section] = {
        "versions": find_versions(problems),
        "processor": describe_processor(),
        "gpu": describe_accelerators(),
        "sound devices": describe_sound_devices(),
        "extras": find_extras(),
        "disk": measure_disk(problems),
        "models": list_models(problems),
        "voices": list_voices(problems),
    }
    if args.json:
        print_json({**sections, "problems": problems})
    else:
        for name, section in sections.items():
            print(f"{name}:")
            for key, value in section.items():
                print(f"  {key:<34}{_format(value)}")
        print(*(f"problem: {problem}" for problem in problems or ["none"]), sep="\n")
    return FAILED if problems else 0


def find_versions(problems: list[str]) -> Section:
    """Return versions of Python, of this package and of those that it needs; None for one that is not installed."""
    found: Section = {"python": platform.python_version(), "vqspeech": __version__, "system": platform.platform()}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
            importlib.import_module(name)
        except metadata.PackageNotFoundError:
            found[name] = None
            problems.append(f"{name} is not installed; install vqspeech again: pip install vqspeech")
        except (ImportError, OSError) as error:
            problems.append(
                f"{name} cannot be imported ({error}); install it again: pip install --force-reinstall {name}"
            )
    return found


def describe_processor() -> Section:
    """Return type and number of processors, their instructions as far as torch uses them, and the memory (bytes)."""
    import torch

    from vqspeech.devices import supports_bfloat16

    found: Section = {"name": _processor_name(), "architecture": platform.machine()}
    found |= {"cores": os.cpu_count(), "threads of torch": torch.get_num_threads()}
    found |= {"instructions": torch.backends.cpu.get_cpu_capability()}
    found |= {"bfloat16": supports_bfloat16(torch.device("cpu"))}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory (bytes)"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return found


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def describe_accelerators() -> Section:
    """Return the accelerators by their name in torch, each in words."""
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return {"cpu": f"no accelerator (torch {torch.__version__}, CUDA {torch.version.cuda or 'not in this build'})"}
    found: Section = {}
    for i in range(torch.accelerator.device_count()):
        found[f"{accelerator.type}:{i}"] = "an accelerator"
        if accelerator.type == "cuda":
            known = torch.cuda.get_device_properties(i)
            found[f"cuda:{i}"] = (
                f"{known.name}, {known.total_memory / 1e9:.0f} GB, capability {known.major}.{known.minor}"
            )
    return found


def describe_sound_devices() -> Section:
    """Return the sound devices, or why there are none that `vqspeech live` can use."""
    from vqspeech import microphone

    try:
        return {str(i): line.split(None, 1)[1] for i, line in enumerate(microphone.list_devices())}
    except VqspeechError as error:
        return {"none": str(error)}


def find_extras() -> Section:
    """Return by extra whether it is there, and if not, the packages that it lacks."""
    from packaging.requirements import Requirement

    try:
        package = metadata.distribution("vqspeech")
    except metadata.PackageNotFoundError:
        return {"unknown": "the package runs from its sources and is not installed; pip install -e ."}
    lines = [Requirement(line) for line in package.requires or []]
    found: Section = {}
    for extra in sorted(set(package.metadata.get_all("Provides-Extra") or ()) - {"dev"}):
        wanted = [one for one in lines if one.marker and one.marker.evaluate({"extra": extra})]
        always = [one.name for one in lines if not one.marker or one.marker.evaluate({"extra": ""})]
        missing = [one.name for one in wanted if one.name not in always and not _is_installed(one.name)]
        found[extra] = f"lacks {', '.join(missing)}; pip install 'vqspeech[{extra}]'" if missing else "installed"
    found["ffmpeg"] = shutil.which("ffmpeg") or "not on the PATH; the extra video brings one"
    return found


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def measure_disk(problems: list[str]) -> Section:
    """Return the free bytes of the folders that are written to."""
    found: Section = {}
    folders = {
        "working directory": Path.cwd(),
        "temporary files": Path(tempfile.gettempdir()),
        "voices": voice_folder(),
    }
    for name, path in folders.items():
        there = next(one for one in (path, *path.parents) if one.exists())
        found[f"{name} (bytes free)"] = free = shutil.disk_usage(there).free
        if free < ROOM:
            problems.append(f"{there}: {free / 1e9:.1f} GB are free; make room, at least {ROOM / 1e9:g} GB")
        if name != "voices" and not os.access(there, os.W_OK):
            problems.append(f"{there}: cannot be written to; change into another folder, or set TMPDIR")
    return found


def list_models(problems: list[str]) -> Section:
    """Return the shipped models with their size (bytes), the default one, and the cache of the Hugging Face Hub."""
    from huggingface_hub import constants

    from vqspeech.models import checkpoint

    found: Section = {"default": os.environ.get(VARIABLE) or pretrained.DEFAULT}
    for name, path in pretrained.list_models().items():
        try:
            checkpoint.read(path)
            found[f"{name} (bytes)"] = path.stat().st_size
        except CheckpointError as error:
            problems.append(str(error))
    if not pretrained.list_models():
        problems.append(f"no models in {pretrained.FOLDER}; install vqspeech again: pip install vqspeech")
    return found | {"cache of the Hub": constants.HF_HUB_CACHE}


def list_voices(problems: list[str]) -> Section:
    """Return the folder of the user's voices, and their names."""
    found = list(read_voices())
    problems += [str(one) for one in found if not isinstance(one, Voice)]
    return {"folder": str(voice_folder()), "names": [one.name for one in found if isinstance(one, Voice)]}


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
