"""A shared model: it comes back as it was, without its promise, and a changed one is refused."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from rdflib import RDF, SKOS, Graph
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from common.vision.answers.heads import halved
from common.vision.answers.likeness import Likeness
from common.vision.bundle import Description
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import load_encoder
from common.vision.saved_model import load_bundle
from tests.trainer.bundles import LABELS, SIZE, describe, promoted
from tests.trainer.encoders import add_tiny
from tests.trainer.pictures import VOCABULARY, draw
from trainer.cli import app
from trainer.models.example_pictures import no_pictures
from trainer.models.registry import put_in_service
from trainer.models.store import Promoted, stored_models

pytest.importorskip("onnxscript", reason="needs the extra `onnx`")
FILES = [
    *("README.md", "example.py", "model.json", "model.onnx", "model.safetensors"),
    "vocabulary.ttl",
]


def models(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def on_encoder(engine: Engine, model_dir: Path) -> Promoted:
    """Heads on a tiny encoder, with a likeness that half of the drawn pictures have."""
    encoder = add_tiny(engine, model_dir)
    served = load_encoder(model_dir / ENCODERS, encoder.sha256)
    how = served.description.preprocessing
    drawn = [draw(label, seed) for seed in range(20) for label in ("map", "toy")]
    vectors = halved(served.served.rows(torch.stack([how.to_uint8(each) for each in drawn])))
    torch.manual_seed(0)
    head = {"weight": 30 * torch.randn(3, encoder.dimension), "bias": torch.zeros(3)}
    uris = tuple(VOCABULARY[label] for label in LABELS)
    description = Description(
        architecture=encoder.network,
        labels=LABELS,
        concept_uris=uris,
        preprocessing=how,
        kind="multi",
        temperature=1.0,
        thresholds={uris[0]: 0.5, uris[1]: 0.6, uris[2]: None},
        picture_source="folder",
        created_from={"data": "folder drawings"},
        encoder=encoder.sha256,
    )
    return put_in_service(
        engine,
        model_dir,
        description,
        [head],
        self_test=no_pictures(how),
        name="heads",
        active=False,
        likeness=Likeness.of(vectors[:10], 0.9),
    )


@pytest.fixture
def shared(engine: Engine, tmp_path: Path) -> Path:
    """A whole network of the store, exported."""
    promoted(engine, tmp_path / "models", description=describe(threshold=0.3))
    done = models("export", "small", tmp_path / "shared", "--licence", "MIT")
    assert done.exit_code == 0, done.output
    assert "hf upload" in done.stderr
    return tmp_path / "shared"


def test_a_folder_has_card_vocabulary_and_no_pickle(shared: Path) -> None:
    assert sorted(path.name for path in shared.iterdir()) == FILES
    card = (shared / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["license"], front["pipeline_tag"]) == ("mit", "image-classification")
    assert {"skos", "europeana"} <= set(front["tags"])
    for words in ("## Accuracy", "## Abstention and limits", "never abstains", "off |"):
        assert words in card
    graph = Graph().parse(shared / "vocabulary.ttl")
    assert len(list(graph.subjects(RDF.type, SKOS.Concept))) == len(LABELS)
    again = models("export", "small", shared)
    assert again.exit_code == 2
    assert "already exists" in again.stderr


def test_what_is_shared_is_imported_without_its_promise(
    engine: Engine, shared: Path, tmp_path: Path
) -> None:
    done = models("import", shared, "--name", "theirs")
    assert done.exit_code == 0, done.output
    assert "accuracy on your records is not known" in done.stderr
    ours, theirs = stored_models(engine)
    assert (theirs.title, theirs.standing) == ("theirs v1", "not serving")
    assert theirs.thresholds == ours.thresholds
    here, there = (
        load_bundle(tmp_path / "models" / each.path, each.sha256) for each in (ours, theirs)
    )
    assert there.description.promise is None
    pictures = torch.randint(0, 256, (4, 3, SIZE, SIZE), dtype=torch.uint8)
    np.testing.assert_array_equal(there.probabilities(pictures), here.probabilities(pictures))


def test_heads_come_with_their_encoder_and_likeness(engine: Engine, tmp_path: Path) -> None:
    on_encoder(engine, tmp_path / "models")
    assert models("export", "heads", tmp_path / "shared").exit_code == 0
    (stored,) = stored_models(engine)
    here = load_bundle(tmp_path / "models" / stored.path, stored.sha256)
    pictures = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    expected = here.answers(here.served.rows(pictures))
    with engine.begin() as connection:
        for table in ("model", "encoder"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    shutil.rmtree(tmp_path / "models")
    done = models("import", tmp_path / "shared", "--name", "theirs")
    assert done.exit_code == 0, done.output
    (stored,) = stored_models(engine)
    there = load_bundle(tmp_path / "models" / stored.path, stored.sha256)
    found = there.answers(there.served.rows(pictures))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.unlike, expected.unlike)
    assert stored.encoder == "tiny"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_changed_folder_is_refused(engine: Engine, shared: Path, tmp_path: Path) -> None:
    described = "model.json"
    changes = {
        "weights": lambda at: flip(at / "model.safetensors"),
        "network": lambda at: flip(at / "model.onnx"),
        "missing": lambda at: (at / "vocabulary.ttl").unlink(),
        "pipe": lambda at: ((at / described).unlink(), (at / described).mkdir()),
        "elsewhere": lambda at: rewrite(at / described, '"model.onnx"', '"../model.onnx"'),
        "unnamed": lambda at: rewrite(at / described, '"model.safetensors"', '"model.tensors"'),
        "uri": lambda at: rewrite(at / described, VOCABULARY["map"], "javascript:1"),
        "temperature": lambda at: rewrite(
            at / described, '"temperature": 1.0', '"temperature": 0.0'
        ),
        "size": lambda at: rewrite(at / described, '"size": 32', '"size": 99999'),
        "network of another form": lambda at: rewrite(at / described, "squeezenet1_1", "resnet18"),
        "more": lambda at: rewrite(at / described, '"format": 1', '"format": 1, "code": "x"'),
        "json": lambda at: (at / described).write_text("[" * 9000),
    }
    for name, change in changes.items():
        folder = tmp_path / name
        shutil.copytree(shared, folder)
        change(folder)
        done = models("import", folder, "--name", "theirs")
        assert done.exit_code == 1, (name, done.output)
        assert "Traceback" not in done.output
    assert len(stored_models(engine)) == 1


def test_a_folder_says_itself_what_a_checkpoint_needs(shared: Path, tmp_path: Path) -> None:
    wrong = models("import", shared, "--name", "x", "--input-size", 3)
    assert (wrong.exit_code, "give only --name" in wrong.stderr) == (2, True)
    (tmp_path / "c.pth").touch()
    wrong = models("import", tmp_path / "c.pth", "--name", "x")
    assert (wrong.exit_code, "needs --architecture" in wrong.stderr) == (2, True)


def pictures_in(folder: Path, *, side: int) -> list[Path]:
    """A hundred drawings, squares of this side."""
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(100)]
    for number, path in enumerate(paths):
        drawn = draw(("map", "toy", "textile")[number % 3], number)
        drawn.resize((side, side), Image.Resampling.BICUBIC).save(path)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["network", "heads"])
def test_it_decides_alike_with_numpy_pillow_and_onnxruntime_alone(
    engine: Engine, tmp_path: Path, kind: str
) -> None:
    if kind == "heads":
        made = on_encoder(engine, tmp_path / "models")
    else:
        made = promoted(engine, tmp_path / "models", description=describe(threshold=0.3))
    assert models("export", made.name, tmp_path / "shared").exit_code == 0
    (stored,) = stored_models(engine)
    model = load_bundle(tmp_path / "models" / stored.path, stored.sha256)
    how = model.description.preprocessing
    paths = pictures_in(tmp_path / "pictures", side=2 * how.size)
    batch = torch.stack([how.to_uint8(Image.open(path)) for path in paths])
    expected = [
        sorted(np.array(model.description.concept_uris)[each.written])
        for each in model.answers(model.served.rows(batch))
    ]
    assert len({tuple(each) for each in expected}) > 1
    python = bare_python(tmp_path / "venv")
    program = [python, "-I", str(tmp_path / "shared" / "example.py"), *map(str, paths)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [sorted(found[str(path)]) for path in paths] == expected


def bare_python(folder: Path) -> str:
    """An environment of its own with what the example needs."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "numpy", "Pillow", "onnxruntime"]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("packages cannot be installed here")
    there = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    assert there.returncode, sys.version
    return python
