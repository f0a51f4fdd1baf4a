"""The notebook examples/first_steps.ipynb: what is stored in it, and that it runs from top to bottom."""

import base64
import io
import json
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parents[1] / "examples" / "first_steps.ipynb"
SMALLER = """
settings = {"budget": {"images": 128}, "trick": ["ema"], "trainer": "cpu", "threads": 1,
            "data": {"batch_size": 32, "subset_size": 200}, "model": {"generator.width": 8, "discriminator.width": 8},
            "callbacks": {"sample_quality": {"num_fake": 200, "every_images": 128}, "health.every_images": None}}
num_fake = 100
"""
SIX_BLOCKS = 'input=small, weights="realesrgan_x4plus_anime",'  # a quarter of the default's 23 blocks


def outputs_of(notebook: nbformat.NotebookNode, word: str) -> list[dict]:
    """Returns the outputs of the first cell of code with that word in it."""
    return next(cell.outputs for cell in notebook.cells if cell.cell_type == "code" and word in cell.source)


def pictures_in(outputs: list[dict], kind: str = "image/png") -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(output.data[kind]))) for output in outputs
            if kind in output.get("data", {})]


def text_of(outputs: list[dict]) -> str:
    return "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)


def has_shown_everything(notebook: nbformat.NotebookNode, num_fake: int) -> None:
    """Asserts that each cell shows what the text above it announces."""
    [samples] = pictures_in(outputs_of(notebook, "generator.sample(40"))
    assert samples.size == (10 * 34 - 2, 4 * 34 - 2) and samples.getextrema()[1] > 100  # digits of 32 pixels, gaps of 2
    assert len(pictures_in(outputs_of(notebook, ".curves()"))) == 2
    measured = outputs_of(notebook, "saddlepoint.evaluate(")
    assert f"{num_fake:,} fakes" in text_of(measured)
    values = eval(measured[-1].data["text/plain"])
    assert {*values} == {"fid_digits", "precision_digits", "recall_digits"} and values["fid_digits"] > 0
    [walk] = pictures_in(outputs_of(notebook, "generator.walk("))
    assert walk.size == samples.size
    [film] = pictures_in(outputs_of(notebook, "walk.gif"), "image/gif")
    assert film.n_frames == 3 * 24 - 2
    compared = text_of(outputs_of(notebook, "saddlepoint.compare("))
    assert "hinge" in compared and "nonsaturating" in compared
    [enlarged] = pictures_in(outputs_of(notebook, "saddlepoint.upscale("))
    assert enlarged.size == (4 * 134, 2 * 4 * 32 + 8)


def test_the_stored_notebook_shows_pictures_and_numbers_and_no_place_of_its_machine():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert NOTEBOOK.stat().st_size < 1_000_000
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]  # in one go, from top to bottom
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    texts = json.dumps([text_of(cell.outputs) for cell in code])
    assert not any(place in texts for place in ("/work", "/home", "/root", "/tmp", "/usr", "site-packages"))
    has_shown_everything(notebook, 2_000)


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the other core has other tests
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "settings = " in first.source and "num_fake = " in first.source
    first.source = SMALLER
    enlarging = next(cell for cell in notebook.cells if "saddlepoint.upscale(input=small," in cell.source)
    enlarging.source = enlarging.source.replace("input=small,", SIX_BLOCKS)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    has_shown_everything(notebook, 100)
    errors = [output.text for cell in notebook.cells for output in cell.get("outputs", ())
              if output.output_type == "stream" and output.name == "stderr"]
    assert "Traceback" not in "".join(errors) and not "".join(errors).strip(), errors  # nothing in red
