"""The augmentation study: images of each arm, resuming, and two generators for which the right result is known."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from medgan_tf import config, datasets, figures, phantoms, results
from medgan_tf.studies import arms, augmentation, synthetic_images
from medgan_tf.studies.classifier import Classifier

SETTINGS = config.AugmentationStudyConfig(
    steps=100, seeds=(0, 1, 2), ratios=(5,), fractions=(), batch_size=32, learning_rate=3e-3, resamples=400
)


@dataclass
class Data:
    """The attributes of datasets.ImageDataset that the study uses."""

    train: datasets.ImageSet
    validation: datasets.ImageSet
    test: datasets.ImageSet
    classes: tuple = ("effusion", "normal")
    image_size: int = 32
    name: str = "toy"


def split(images, labels, name):
    patients = np.array([f"{name} {number // 2}-{label}" for number, label in enumerate(labels)])
    return datasets.ImageSet(images, np.asarray(labels, np.int32), patients, patients)


def toy(counts, name, seed=0, size=16):
    """Noise whose classes differ in brightness."""
    labels = np.repeat(np.arange(len(counts)), counts)
    noise = np.random.default_rng(seed).normal(100, 30, (len(labels), size, size, 1))
    return split((noise + 10 * labels[:, None, None, None]).clip(0, 255).astype(np.uint8), labels, name)


@pytest.fixture
def data():
    return Data(toy((12, 40), "train"), toy((8, 10), "validation", 1), toy((10, 12), "test", 2), image_size=16)


def toy_source(calls=None):
    def draw(labels, seed):
        if calls is not None:
            calls.append((len(labels), seed))
        return np.full((len(labels), 16, 16, 1), seed % 256, np.uint8)

    return synthetic_images.ImageSource("toy", "a" * 64, draw)


def test_arms_have_the_images_that_their_names_describe(data):
    plan, _ = arms.plan(replace(SETTINGS, ratios=(0.25, 1), fractions=(0.25, 0.5)))
    synthetic = synthetic_images.SyntheticImages(toy_source(), data.train, 1, seed=3)
    holds = {arm.name: arms.compose(arm, data.train, synthetic, 3) for arm in plan}
    synthetic = {name: np.char.startswith(split.patients, "synthetic") for name, split in holds.items()}
    counts = {name: (int((~where).sum()), int(where.sum())) for name, where in synthetic.items()}
    assert counts["real only"] == counts["real + classical"] == counts["tested on synthetic (TRTS)"] == (52, 0)
    assert counts["real + duplicated real"] == (104, 0)
    assert counts["real + 0.25 synthetic"] == (52, 13) and counts["real + 1 synthetic"] == (52, 52)
    assert counts["synthetic only (TSTR)"] == (0, 52)
    assert counts["rare class duplicated"] == (80, 0) and counts["rare class topped up"] == (52, 28)
    for name in ("rare class duplicated", "rare class topped up"):
        assert np.bincount(holds[name].labels).tolist() == [40, 40]
    assert np.bincount(holds["real + 1 synthetic"].labels).tolist() == [
        24,
        80,
    ]  # in the proportions of the real classes
    assert set(holds["25% of real"].patients) < set(holds["50% of real"].patients) < set(data.train.patients)
    for name, fraction in (("25% of real", 0.25), ("50% of real", 0.5)):
        kept = holds[name]
        assert set(kept.labels.tolist()) == {0, 1}
        assert abs(len(kept) - 52 * fraction) <= 3
        assert all((kept.patients == p).sum() == (data.train.patients == p).sum() for p in set(kept.patients))


def test_smaller_ratios_are_subsets_and_seeds_differ(data):
    calls = []
    synthetic = synthetic_images.SyntheticImages(toy_source(calls), data.train, 5, seed=0)
    assert len(synthetic.mixed) == 260 and len(synthetic.mixed.take(slice(13))) == 13
    assert synthetic.mixed is synthetic.mixed and len(calls) == 1
    other = synthetic_images.SyntheticImages(toy_source(calls), data.train, 5, seed=1)
    assert len(other.rare) == 28 and (other.rare.labels == 0).all()
    assert (other.like(data.test).labels == data.test.labels).all()
    _ = other.mixed
    assert len({seed for _, seed in calls}) == len(calls)


def test_missing_classes_are_refused(data):
    with pytest.raises(ValueError, match="validation split has no image of 'effusion'"):
        augmentation.check(replace(data, validation=data.validation.take(data.validation.labels == 1)))
    with pytest.raises(ValueError, match="one class"):
        augmentation.check(replace(data, classes=("normal",)))


def test_interrupted_study_resumes(data, tmp_path, monkeypatch):
    settings = replace(SETTINGS, steps=1, seeds=(0, 1), ratios=(1,))
    plan, _ = arms.plan(settings)
    trained = []

    class Counted:
        """A stand-in for `Classifier` that counts its trainings."""

        def __init__(self, *arguments):
            pass

        def train(self, split, seed, on_step):
            if len(trained) == stop:
                raise KeyboardInterrupt
            trained.append(seed)

        def logits(self, images):
            return np.stack([images.mean(axis=(1, 2, 3)) / 100, np.full(len(images), trained[-1])], axis=1)

    monkeypatch.setattr(augmentation, "Classifier", Counted)
    stop = 5
    with pytest.raises(KeyboardInterrupt):
        augmentation.train_all(plan, data, toy_source(), settings, tmp_path)
    stop = None
    first = augmentation.train_all(plan, data, toy_source(), settings, tmp_path)
    assert len(trained) == 2 * len(plan)
    trained.clear()
    again = augmentation.train_all(plan, data, toy_source(), settings, tmp_path)
    assert not trained
    for name, seeds in first.items():
        for before, after in zip(seeds, again[name], strict=True):
            np.testing.assert_array_equal(before["test"], after["test"])
    augmentation.train_all(plan, data, replace(toy_source(), sha256="b" * 64), settings, tmp_path)
    assert len(trained) == 2 * 4  # results of arms without synthetic images are kept
    trained.clear()
    augmentation.train_all(plan, replace(data, train=data.train.take(slice(1, None))), toy_source(), settings, tmp_path)
    assert len(trained) == 2 * len(plan)  # other data


def test_classifiers_take_equally_many_steps_and_depend_on_the_seed_only(data):
    classifier, steps, answers = Classifier(16, 2, replace(SETTINGS, steps=7)), [], []
    for train, seed in [(data.train, 0), (data.train.take(slice(10, 20)), 0), (data.train, 1), (data.train, 0)]:
        classifier.train(train, seed, lambda: steps.append(1))
        assert int(classifier.model.optimizer.iterations) == 7
        answers.append(classifier.logits(data.test.images))
    assert len(steps) == 28
    np.testing.assert_allclose(answers[0], answers[3], atol=1e-4)  # trainings in between leave no trace
    assert not np.allclose(answers[0], answers[1], atol=1e-2) and not np.allclose(answers[0], answers[2], atol=1e-2)


def test_backbone_is_chosen_by_name(data):
    classifier = Classifier(32, 2, replace(SETTINGS, backbone="MobileNetV2"))
    assert classifier.logits(np.zeros((3, 32, 32, 1), np.uint8)).shape == (3, 2)
    assert classifier.model.count_params() > 2e6
    with pytest.raises(ValueError, match="There is no backbone 'ResNet51'"):
        Classifier(32, 2, replace(SETTINGS, backbone="ResNet51"))


def test_model_trained_on_other_patients_is_refused(data, tmp_path):
    record = {"training": json.loads(json.dumps(data.train.record))}
    assert "asserted" in synthetic_images.training_note(record, data.train, tmp_path / "cgan")
    for other in (data.train.take(slice(2, None)), datasets.join([data.train, data.test])):
        with pytest.raises(ValueError, match="test patients may be among them"):
            synthetic_images.training_note({"training": other.record}, data.train, tmp_path / "cgan")
    with pytest.raises(ValueError, match="does not say which patients"):
        synthetic_images.training_note({}, data.train, tmp_path / "cgan")


def test_classifier_labels_images_of_an_unconditional_model():
    class Generator:
        class network:
            output_shape = (None, 2, 2, 1)

        def sample(self, count, seed):
            return np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 1)).astype(np.uint8)

    def answer(images):  # bright images are of class 1
        from medgan_tf.metrics.features import Features

        mean = images.mean(axis=(1, 2, 3))
        return Features(mean[:, None], np.stack([mean < 128, mean >= 128], axis=1).astype(np.float32))

    from medgan_tf.metrics import Extractor

    label_classifier = Extractor("feature_classifier", "c" * 64, 2, answer, report={"classes": ["dark", "bright"]})
    labels = np.array([0, 1, 1, 0, 1] * 100)
    drawn = synthetic_images._draw_labelled(Generator(), label_classifier, labels, seed=1)
    assert ((drawn.mean(axis=(1, 2, 3)) >= 128) == labels).all()
    assert (drawn == synthetic_images._draw_labelled(Generator(), label_classifier, labels, seed=1)).all()
    never = replace(label_classifier, function=lambda images: answer(images // 4))
    with pytest.raises(ValueError, match="hardly ever draws images that the classifier calls bright"):
        synthetic_images._draw_labelled(Generator(), never, labels, seed=1)


def test_run_without_a_conditional_model_names_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    run = config.open_run("r", "smoke")
    for name, knows in (("dcgan", False), ("cgan", True)):
        with pytest.raises(ValueError, match="run the notebook 04_cgan first"):
            synthetic_images.conditional_model(run)
        run.model(name).mkdir(parents=True)
        (run.model(name) / "generator.weights.h5").touch()
        (run.model(name) / "model.json").write_text(json.dumps({"conditional": knows}))
    assert synthetic_images.conditional_model(run) == "cgan"


def draw(kind, count, rng):
    """Phantoms of `count` new patients, at 32 px."""
    images = []
    for _ in range(count):
        anatomy, acquisition = phantoms.sample_anatomy(rng), phantoms.sample_acquisition(rng)
        lesions = phantoms.sample_lesions(kind, anatomy, acquisition, rng)
        picture = phantoms.draw(anatomy, acquisition, lesions, 64, rng)
        images.append(picture.reshape(32, 2, 32, 2).mean(axis=(1, 3)))
    return np.rint(255 * np.stack(images))[..., None].astype(np.uint8)


@pytest.fixture(scope="module")
def rare_effusions():
    """Phantoms with few effusions in the training split, and the images of an ideal generator."""
    rng = np.random.default_rng(0)
    counts = {"train": (4, 60), "validation": (40, 40), "test": (100, 100)}
    splits = {
        name: split(
            np.concatenate([draw("effusion", few, rng), draw("normal", many, rng)]), [0] * few + [1] * many, name
        )
        for name, (few, many) in counts.items()
    }
    return Data(**splits), [draw("effusion", 120, rng), draw("normal", 300, rng)]


def source_of(bank, name):
    """An ImageSource that draws from the images of each class in `bank`; one image per class: a collapsed generator."""

    def take(labels, seed):
        order = [np.random.default_rng((seed, label)).permutation(len(bank[label])) for label in (0, 1)]
        images = np.zeros((len(labels), *bank[0].shape[1:]), np.uint8)
        for label in (0, 1):
            places = np.flatnonzero(labels == label)
            images[places] = bank[label][np.resize(order[label], len(places))]
        return images

    return synthetic_images.ImageSource(name, name, take)


@pytest.mark.slow
def test_study_detects_an_ideal_and_a_collapsed_generator(rare_effusions, tmp_path):
    """An ideal generator, the phantoms' own simulator, must help where a class is rare; a collapsed one must not."""
    data, bank = rare_effusions
    ideal = augmentation.study(data, source_of(bank, "ideal"), SETTINGS, tmp_path / "journal")
    collapsed = augmentation.study(data, source_of([i[:1] for i in bank], "collapsed"), SETTINGS, tmp_path / "journal")
    for content in (ideal, collapsed):
        results.write(tmp_path, f"augmentation/{content['source']['name']}", content)
    records = results.augmentation(tmp_path).set_index(["model", "arm", "reference", "measure"])
    found = records["interpretation"]
    for name in ("ideal", "collapsed"):
        assert found[name, "real + duplicated real", "real only", "auroc"] == "no difference shown"
    assert found["ideal", "real + 5 synthetic", "real only", "auroc"] == "better"
    for reference in ("real only", "rare class duplicated"):
        assert found["ideal", "rare class topped up", reference, "auroc"] == "better"
        assert records["value"]["ideal", "rare class topped up", reference, "sensitivity"] > 0.05
        for measure in ("auroc", "sensitivity"):
            assert found["collapsed", "rare class topped up", reference, measure] != "better"
    assert found["collapsed", "real + 5 synthetic", "real only", "auroc"] != "better"
    assert found["collapsed", "synthetic only (TSTR)", "real only", "auroc"] != "better"
    assert any("1 of 1 better" in sentence for sentence in ideal["verdict"])
    assert not any("1 of 1 better" in sentence for sentence in collapsed["verdict"])
    check_figures(tmp_path)


def check_figures(folder):
    """Check the figures and tables: one row for each comparison and each arm."""
    parts = [results.augmentation(folder, part) for part in ("arms", "comparisons")]
    values, comparisons = (part[part["model"] == "ideal"] for part in parts)
    forest = figures.forest(folder, "ideal").plot
    assert [len(axis.containers) for axis in forest.axes] == [8, 8, 5]  # the rare class has no calibration of its own
    labels = [text.get_text() for text in forest.axes[0].get_yticklabels()]
    assert labels[:2] == ["against real only", "real + classical"] and "effusion, against real only" in labels
    shown = figures.augmentation_table(folder, "ideal")
    figures.show(folder, "07_augmentation", shown)
    table = shown.data
    assert len(table) == 8
    row = values[(values["arm"] == "real only") & (values["measure"] == "auroc") & (values["class"] == "mean")]
    assert table.loc["real only", "AUROC"].startswith(f"{row['value'].item():.3f}"[:4])
    assert r"\toprule" in (folder / "tables" / "augmentation_ideal.tex").read_text()
    differences = figures.difference_table(folder, "ideal").data
    assert len(differences) == 8
    row = comparisons[(comparisons["arm"] == "real + 5 synthetic") & (comparisons["measure"] == "auroc")].iloc[0]
    assert differences.loc["real + 5 synthetic – real only", "AUROC"].startswith(f"{row['value']:+.3f} [")
    assert list(figures.rare_class_table(folder, "ideal").data.index) == [
        *("real only", "rare class duplicated", "rare class topped up")
    ]
    section = results.read(folder)["augmentation/ideal"]
    section["curve"].append({"images": 64, "real": "real only", "real + synthetic": "real + 5 synthetic"})
    results.write(folder, "augmentation/ideal", section)
    assert len(figures.small_data(folder, "ideal").plot.axes[0].containers) == 2
