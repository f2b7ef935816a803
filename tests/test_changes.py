"""Settings that are changed from outside reach a run, are recorded, and are refused where there is no such setting."""

import json

import pytest

from medgan_tf import config
from medgan_tf.__main__ import main
from medgan_tf.cli import notebooks as runner

QUICK = config.PROFILES["quick"]


def test_texts_and_a_file_give_changes(tmp_path):
    (tmp_path / "my.toml").write_text("evaluation_images = 7\n[cgan]\nkimg = 3\nnetwork = {attention = 8}\n")
    changes = config.read_changes(["cgan.kimg=4", "seeds=[0, 1]", "cgan.balanced=false"], tmp_path / "my.toml")
    assert changes == {
        "evaluation_images": 7,
        "cgan.kimg": 4,
        "cgan.network.attention": 8,
        "seeds": [0, 1],
        "cgan.balanced": False,
    }


def test_changes_reach_models_their_ablations_the_study_and_the_profile():
    changes = {
        "cgan.kimg": 4,
        "cgan.network.base_filters": 64,
        "augmentation.steps": 9,
        "seeds": [0, 1],
        "image_size": [32, 48],
    }
    profile = config.changed(QUICK, changes)
    for name in ("cgan", "cgan_plain", "cgan_shuffled"):
        settings = profile.training(name)
        assert (settings.kimg, settings.network["base_filters"]) == (4, 64)
    assert "attention" in profile.training("cgan").network and "attention" not in profile.training("cgan_plain").network
    assert (profile.augmentation.steps, profile.seeds, profile.image_size) == (9, (0, 1), (32, 48))
    assert profile.training("dcgan") == QUICK.training("dcgan")
    assert QUICK.training("cgan").kimg != 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cgan.kmg": 1}, r"There is no setting 'cgan.kmg': did you mean cgan.kimg\."),
        ({"cgn.kimg": 1}, r"There is no setting 'cgn.kimg': did you mean cgan.kimg\."),
        ({"evaluation_image": 1}, "did you mean evaluation_images"),
        ({"augmentation.step": 1}, "did you mean augmentation.steps"),
        ({"cgan": 1}, "There is no setting 'cgan': cgan.kimg and the like"),
        ({"cgan.kimg.much": 1}, "cgan.kimg has no parts"),
        ({"cgan.kimg": "long"}, "cgan.kimg is of the type float, not 'long'"),
        ({"cgan.balanced": 2}, "cgan.balanced is of the type bool, not 2"),
        ({"cgan.kimg": True}, "cgan.kimg is of the type float, not True"),
        ({"cgan.network.a.b": 1}, "cgan.network.a has no parts"),
        ({"image_size": 1.5}, "image_size is of the type int or tuple, not 1.5"),
        ({"name": "mine"}, "There is no setting 'name'"),
    ],
)
def test_what_is_no_setting_is_refused_with_the_nearest(changes, message):
    with pytest.raises(ValueError, match=message):
        config.changed(QUICK, changes)


def test_a_run_keeps_its_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    run = config.open_run("", "smoke", [], {"cgan.kimg": 1})
    assert run.name == "smoke-phantoms-cgan.kimg=1"
    assert json.loads((run.directory / "run.json").read_text())["changes"] == {"cgan.kimg": 1}
    assert config.find_run(run.name) == config.open_run(run.name, "smoke", [], {"cgan.kimg": 1}) == run
    for other in ({}, {"cgan.kimg": 2}):
        with pytest.raises(ValueError, match="created with other data, profile or changes"):
            config.open_run(run.name, "smoke", [], other)


def test_the_command_line_hands_changes_to_the_notebooks(monkeypatch, capsys):
    given = {}
    monkeypatch.setattr(runner, "run", lambda *arguments: given.update(changes=arguments[-1]) or ("report", {}))
    assert main(["run", "--set", "cgan.kimg=1.5", "--set", "seeds=[0]"]) == 0
    assert given["changes"] == {"cgan.kimg": 1.5, "seeds": [0]}
    assert main(["run", "--set", "cgan.kimg"]) == 1
    assert "'cgan.kimg' is no change: write NAME=VALUE" in capsys.readouterr().err
