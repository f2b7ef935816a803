import argparse
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from train_process import main as train

from medgan_tf.__main__ import _parser, _with_negative_values, main
from medgan_tf.cli import notebooks

(SUBPARSERS,) = (action.choices for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))


@pytest.mark.parametrize("command", SUBPARSERS)
def test_every_option_is_explained(command, capsys):
    with pytest.raises(SystemExit) as raised:
        main([command, "--help"])
    assert raised.value.code == 0
    assert "options:" in capsys.readouterr().out
    assert all(action.help for action in SUBPARSERS[command]._actions)


def test_help_lists_the_commands_without_loading_tensorflow():
    code = "import sys; sys.argv = ['medgan_tf', '--help']\nimport medgan_tf.__main__ as m\n"
    code += "try: m.main()\nexcept SystemExit: assert 'tensorflow' not in sys.modules and 'pandas' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in SUBPARSERS)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize(("words", "expected"), [("th", "thesis"), ("sample --trunc", "--truncation")])
def test_bash_completes_commands_and_options(words, expected):
    typed = f"COMP_WORDS=(medgan_tf {words}); COMP_CWORD={len(words.split())}; _shtab_medgan_tf; echo ${{COMPREPLY[@]}}"
    printed = [sys.executable, "-m", "medgan_tf", "--print-completion", "bash"]
    script = subprocess.run(printed, capture_output=True, text=True, check=True).stdout
    completed = subprocess.run(["bash", "-c", script + typed], capture_output=True, text=True, check=True)
    assert completed.stdout.split() == [expected]


def images(folder, count, low, high, size=16):
    generator = np.random.default_rng(low)
    folder.mkdir(parents=True)
    for index in range(count):
        base = generator.integers(low, high, (4, 4), np.uint8)
        Image.fromarray(np.kron(base, np.ones((size // 4, size // 4), np.uint8))).save(folder / f"{index:03d}.png")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["convert", "{tmp}/nowhere", "--out", "{tmp}/out"], "nowhere"),
        (["convert", "{tmp}/empty", "--out", "{tmp}/out"], "empty"),
        (["phantoms", "--out", "{tmp}/p", "--patients", "0"], "at least 1 patient"),
        (["fetch", "mnist"], "There is no public set 'mnist'"),
        (["run", "--data", "{tmp}/nowhere", "--profile", "smoke"], "is not a folder"),
        (["sample", "{tmp}/nowhere", "--out", "{tmp}/s"], "holds no trained model"),
        (["readers", "nowhere", "gan", "--out", "{tmp}/kit"], "There is no run 'nowhere'"),
        (["gallery", "{tmp}/nowhere", "--out", "{tmp}/g"], "There is no run 'nowhere'"),
        (["evaluate", "{tmp}/nowhere", "{tmp}/empty", "--features", "feature_classifier"], "is not a folder"),
        (["evaluate", "{tmp}/empty", "{tmp}/empty", "--features", "feature_classifier"], "holds no images"),
        (
            ["evaluate", "{tmp}/one", "{tmp}/one", "--features", "vgg"],
            "no extractor is called 'vgg': choose feature_classifier",
        ),
        (["convert", "{tmp}/one", "--out", "{tmp}/out"], "No image came of {tmp}/one: an archive has to be unpacked"),
        (["run", "--data", "{tmp}/one {tmp}/two"], "/two is not a folder"),
        (["evaluate", "{tmp}/one", "{tmp}/one", "--features", "{tmp}/no.keras"], "no.keras is no file"),
        (["evaluate", "{tmp}/one", "{tmp}/one", "--features", "{tmp}/text.keras"], "cannot be loaded as a Keras model"),
    ],
)
def test_every_expected_failure_is_one_sentence(arguments, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.keras").write_text("no model")
    images(tmp_path / "one", 1, 0, 200)
    assert main([argument.format(tmp=tmp_path) for argument in arguments]) == 1
    errors = capsys.readouterr().err
    assert sentence.format(tmp=tmp_path) in errors
    assert "Traceback" not in errors
    assert len([line for line in errors.splitlines() if line.startswith("medgan_tf:")]) == 1


@pytest.mark.parametrize("arguments", [["--window", "-600,1500"], ["--window=-600,1500"]])
def test_a_window_may_have_a_negative_centre(arguments):
    options = _parser().parse_args(_with_negative_values(["convert", "in", "--out", "out", *arguments]))
    assert options.window == (-600.0, 1500.0)


def test_a_folder_with_spaces_is_one_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "a b").mkdir()
    folders = []
    monkeypatch.setattr(notebooks, "run", lambda profile, data, *_: folders.append(data) or ("report.html", {}))
    for text in (f"{tmp_path}/a b", f"'{tmp_path}/a b' {tmp_path}/c"):
        assert main(["run", "--data", text]) == 0
    assert [list(map(str, each)) for each in folders] == [[f"{tmp_path}/a b"], [f"{tmp_path}/a b", f"{tmp_path}/c"]]


def test_convert_splits_by_patient_and_reports(tmp_path, capsys):
    assert main(["phantoms", "--out", str(tmp_path / "dicom"), "--patients", "12", "--image-size", "64"]) == 0
    assert main(["convert", str(tmp_path / "dicom"), "--out", str(tmp_path / "out"), "--image-size", "64"]) == 0
    text = capsys.readouterr().out
    assert "images from DICOM" in text
    manifest = (tmp_path / "out" / "manifest.csv").read_text()
    assert "Phantom" not in manifest
    assert ",train" in manifest


def test_the_same_seed_writes_the_same_images(tmp_path):
    train(tmp_path / "model")
    for name in ("one", "two"):
        assert (
            main(["sample", str(tmp_path / "model"), "--out", str(tmp_path / name), "--count", "3", "--seed", "7"]) == 0
        )
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["seed7_00000.png", "seed7_00001.png", "seed7_00002.png"]
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)


def test_evaluate_measures_folders(tmp_path, capsys):
    from medgan_tf import metrics

    images(tmp_path / "real", 60, 0, 200)
    images(tmp_path / "alike", 60, 0, 201)
    images(tmp_path / "bright", 60, 200, 255)
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / "real").iterdir())])[..., None]
    metrics.save_classifier(
        metrics.train_feature_classifier(pixels, image_size=16, steps=5),
        tmp_path / "feature_classifier",
    )
    shared = [
        "--features",
        "feature_classifier",
        "--weights",
        str(tmp_path / "feature_classifier"),
        "--image-size",
        "16",
    ]
    distances = []
    for name in ("alike", "bright"):
        json_file = tmp_path / f"{name}.json"
        assert main(["evaluate", str(tmp_path / "real"), str(tmp_path / name), *shared, "--json", str(json_file)]) == 0
        distances.append(json.loads(json_file.read_text())["frechet_distance"]["value"])
    assert distances[0] < distances[1]
    assert "real against real" in capsys.readouterr().out


def test_evaluate_with_a_model_of_your_own_keeps_the_features_and_checks_the_classes(tmp_path, capsys, monkeypatch):
    import keras

    from medgan_tf import datasets, metrics

    for kind, low in (("real", 0), ("fake", 1)):
        for name, place in (("bright", 150), ("dark", low)):
            images(tmp_path / kind / name, 30, place, place + 80)
    pixels = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "real").glob("*/*.png"))]
    labels = np.repeat([0, 1], 30)
    known = datasets.ImageSet(np.stack(pixels)[..., None], labels, classes=("bright", "dark"))
    label_classifier = metrics.train_feature_classifier(known, image_size=16, steps=30)
    metrics.save_classifier(label_classifier, tmp_path / "label_classifier")
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.AveragePooling2D(2)(inputs)).save(tmp_path / "pooled.keras")
    places = [str(tmp_path / "real" / "manifest.csv"), str(tmp_path / "fake")]
    rows = [f"{p.relative_to(tmp_path / 'real')},{p.parent.name},{p.stem}" for p in (tmp_path / "real").glob("*/*.png")]
    (tmp_path / "real" / "manifest.csv").write_text("\n".join(["file,class,patient", *rows]))
    options = [
        "--features",
        str(tmp_path / "pooled.keras"),
        "--label-classifier",
        str(tmp_path / "label_classifier"),
        "--image-size",
        "16",
    ]
    options += ["--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "records.json")]
    assert main(["evaluate", *places, *options]) == 0
    printed, records = capsys.readouterr().out, json.loads((tmp_path / "records.json").read_text())
    digest = records["kernel_distance"]["weights_sha256"]
    idle = lambda name, network, size: metrics.Extractor(name, digest, size, None, network)  # noqa: E731
    monkeypatch.setattr(
        "medgan_tf.metrics.custom_extractor.custom", idle
    )  # cannot compute features, only read them back
    assert main(["evaluate", *places, *options]) == 0
    assert capsys.readouterr().out == printed
    assert records["kernel_distance"]["extractor"] == "pooled"
    agreed = records["label_agreement"]
    assert (agreed["n"], agreed["real_vs_real_n"], agreed["patients"]) == (60, 60, 30)
    assert agreed["weights_sha256"] == label_classifier.weights_sha256 and set(agreed["by_class"]) == {"bright", "dark"}
    assert "label_agreement of dark " in printed and "; classifier feature_classifier, weights" in printed


def test_models_that_are_no_extractors_are_refused(tmp_path):
    import keras

    from medgan_tf import metrics

    inputs = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(inputs)
    any_size = keras.Input((None, None, 1))
    unfit = {
        "three": (keras.Model(inputs, [flat, flat, flat]), "3 outputs"),
        "named": (keras.Model(inputs, {"features": flat, "turns": flat}), "by --features feature_classifier"),
        "any_size": (keras.Model(any_size, keras.layers.GlobalAveragePooling2D()(any_size)), "of one size"),
    }
    for name, (model, sentence) in unfit.items():
        model.save(tmp_path / f"{name}.keras")
        with pytest.raises(ValueError, match=sentence):
            metrics.extractor(tmp_path / f"{name}.keras")


def test_a_size_is_a_side_or_a_pair(capsys):
    for text, size in (("64", 64), ("96x64", (96, 64))):
        assert _parser().parse_args(["convert", "in", "--out", "out", "--image-size", text]).image_size == size
    with pytest.raises(SystemExit):
        _parser().parse_args(["convert", "in", "--out", "out", "--image-size", "96x"])
    assert "--image-size" in capsys.readouterr().err
