"""doctor, --json, --completion: what people and programs ask of the command line itself."""

import argparse
import json
import re
import shutil
import subprocess

import pytest

from vqspeech import pretrained
from vqspeech.cli import PARTS, main, make_parser
from vqspeech.commands import doctor
from vqspeech.errors import FAILED
from vqspeech.subcommands import find_subparsers


def read_lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_doctor_tells_what_is_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("VQSPEECH_VOICES", str(tmp_path))
    monkeypatch.setattr(doctor, "ROOM", 0)
    assert main(["doctor", "--json"]) == 0
    [found] = read_lines(capsys)
    assert found["problems"] == [] and found["voices"] == {"folder": str(tmp_path), "names": []}
    assert found["versions"]["torch"] and found["processor"]["cores"] >= 1
    assert {f"{name} (bytes)" for name in pretrained.list_models()} < found["models"].keys()
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert all(f"{name}:" in text for name in found if name != "problems") and "problem: none" in text


def test_doctor_names_what_is_wrong(capsys, monkeypatch, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    monkeypatch.setenv("VQSPEECH_VOICES", str(tmp_path))
    monkeypatch.setattr(doctor, "ROOM", 1e18)
    monkeypatch.setattr(doctor, "VERSIONS", ("numpy", "no-such-package"))
    assert main(["doctor", "--json"]) == FAILED
    [found] = read_lines(capsys)
    text = "\n".join(found["problems"])
    assert found["versions"]["no-such-package"] is None and "no-such-package is not installed" in text
    assert "a.safetensors" in text and "make room" in text


def test_figures_as_json(capsys, small_data, tmp_path, checkpoint):
    small_data.write(tmp_path / "data")
    main(["subset", str(tmp_path / "data"), "--per-speaker", "1", "--out", str(tmp_path / "one"), "--json", "--quiet"])
    main(["validate", str(tmp_path / "one"), "--json"])
    main(["speakers", "--model", str(checkpoint), "--json"])
    main(["info", "--model", str(checkpoint), "--json"])
    size, faults, high, low, about = read_lines(capsys)
    assert size["utterances"] == 2 and size["speakers"] == 2
    assert faults == {"data": str(tmp_path / "one"), "faults": []}
    assert [high["name"], low["name"]] == ["high", "low"] and 150 < high["median_hz"] < 250 and high["yours"] is False
    assert about["speakers"] == "2"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_verbs_options_and_sub_verbs(capsys, tmp_path):
    pytest.importorskip("shtab")
    assert main(["--completion", "bash"]) == 0
    (tmp_path / "vqspeech.bash").write_text(capsys.readouterr().out)

    def complete(*words: str) -> list[str]:
        program = f"source {tmp_path}/vqspeech.bash; COMP_WORDS=({' '.join(words)!s}); COMP_CWORD={len(words) - 1}; "
        program += "_shtab_vqspeech vqspeech; printf '%s\\n' \"${COMPREPLY[@]}\""
        words_ = [*words[:-1], words[-1] or "''"]
        program = program.replace(f"COMP_WORDS=({' '.join(words)})", f"COMP_WORDS=({' '.join(words_)})")
        return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert complete("vqspeech", "conv") == ["convert"]
    assert complete("vqspeech", "convert", "--keep") == ["--keep-pitch"]
    assert complete("vqspeech", "score", "uni") == ["units"]
    assert complete("vqspeech", "vision", "train", "--rest") == ["--restart"]


def list_parsers(name: str, parser: argparse.ArgumentParser):
    yield name, parser
    for kind, one in find_subparsers(parser).items():
        yield from list_parsers(f"{name} {kind}", one)


def test_every_help_text_has_one_example_and_every_verb_is_quiet_on_demand():
    found = dict(list_parsers("vqspeech", make_parser([])))
    for part in PARTS:
        found |= list_parsers(f"vqspeech {part}", make_parser([part]))
    shown = {name: found[name] for name in found.keys() - {"vqspeech", *(f"vqspeech {part}" for part in PARTS)}}
    assert len(shown) > 60
    for name, parser in shown.items():
        text = parser.format_help()
        assert len(re.findall(r"[Ee]xample:\s+vqspeech", text)) == 1, name
        if not find_subparsers(parser):
            assert "--quiet" in text, name
