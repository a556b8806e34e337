"""The notebook of the documentation runs from top to bottom, and is kept without what it printed."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile

from tests.docs.blocks import ROOT
from vqspeech import audio

NOTEBOOK = ROOT / "docs" / "tour.ipynb"


def list_code(notebook) -> list:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory):
    for extra in ("ipykernel", "nbconvert", "espeakng_loader"):
        pytest.importorskip(extra)
    import nbformat
    from nbconvert.preprocessors import ExecutePreprocessor

    folder = tmp_path_factory.mktemp("tour")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("PYTHONPATH", str(ROOT))
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / name))
        # A cell that fails raises CellExecutionError, with its traceback.
        ExecutePreprocessor(timeout=120, kernel_name="python3").preprocess(notebook, {"metadata": {"path": folder}})
    return notebook


def test_is_kept_without_outputs():
    cells = list_code(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_no_cell_fails_or_warns(executed):
    outputs = [output for cell in list_code(executed) for output in cell["outputs"]]
    assert not [one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr"]
    assert [cell["execution_count"] for cell in list_code(executed)] == list(range(1, len(list_code(executed)) + 1))


def test_players_play_speech_and_plots_are_drawn(executed):
    shown = [output["data"] for cell in list_code(executed) for output in cell["outputs"] if "data" in output]
    assert sum("image/png" in data for data in shown) == executed_source(executed).count("draw_")
    sounds = [match for data in shown for match in re.findall(r"base64,([\w+/=]+)", data.get("text/html", ""))]
    assert len(sounds) == executed_source(executed).count("Audio(")
    for sound in sounds:
        wave, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)))
        assert rate == audio.RATE and len(wave) > audio.RATE and np.sqrt(np.mean(wave**2)) > 0.01


def executed_source(notebook) -> str:
    """Return the code below the imports."""
    return "\n".join(cell["source"] for cell in list_code(notebook)[1:])


def test_links_lead_somewhere():
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        for link in re.findall(r"\]\((.+?)\)", "".join(cell["source"])) if cell["cell_type"] == "markdown" else ():
            assert (NOTEBOOK.parent / link).is_file(), link
