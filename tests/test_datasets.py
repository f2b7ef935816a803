import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medgan_tf import datasets, sources


def write(path, value=128, size=(20, 20), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folders(tmp_path):
    """30 patients with one to three images in class a, 12 patients in class b; the file names tell the patients."""
    for patient in range(30):
        for index in range(1 + patient % 3):
            write(tmp_path / "a" / f"person{patient}_virus_{index}.png", value=patient * 8)
    for patient in range(12):
        write(tmp_path / "b" / f"IM-{patient:04d}-0001.png", value=patient * 8 + 4)
    return tmp_path


def test_no_patient_is_in_two_splits_and_class_proportions_are_kept(folders):
    data = datasets.load(folders, 16)
    patients = [set(part.patients) for part in (data.train, data.validation, data.test)]
    assert not (patients[0] & patients[1] or patients[0] & patients[2] or patients[1] & patients[2])
    assert len(data.train) + len(data.validation) + len(data.test) == 72
    summary = datasets.summary(data.manifest)
    for name in ("a", "b"):
        total = sum(split["images"] for split in summary[name].values())
        assert summary[name]["train"]["images"] / total == pytest.approx(0.8, abs=0.1)
        assert summary[name]["validation"]["patients"] >= 1
        assert summary[name]["test"]["patients"] >= 1
    assert data.classes == ("a", "b")
    assert len(data.held_out) == len(data.validation) + len(data.test)


def test_reduced_drops_whole_training_patients_only(folders):
    data = datasets.load(folders, 16)
    few = data.reduced(20)
    assert 15 < len(few.train) <= 20
    whole = pd.Series(data.train.patients).value_counts()
    for patient, count in pd.Series(few.train.patients).value_counts().items():
        assert count == whole[patient]
    assert set(few.held_out.files) == set(data.held_out.files)
    assert set(few.train.files) == set(data.reduced(20).train.files) != set(data.reduced(20, seed=1).train.files)
    assert len(data.reduced(10_000).train) == len(data.train)
    assert few.name != data.name and few.classes == data.classes


def test_with_shuffled_labels_permutes_training_labels_only(folders):
    data = datasets.load(folders, 16)
    shuffled = data.with_shuffled_labels()
    assert sorted(shuffled.train.labels) == sorted(data.train.labels)
    assert list(shuffled.train.files) == list(data.train.files)
    assert (shuffled.train.labels != data.train.labels).any()
    np.testing.assert_array_equal(shuffled.held_out.labels, data.held_out.labels)
    assert shuffled.name != data.name  # so that a training of one is not taken up with the other


def test_splits_depend_on_the_seed_and_not_on_the_row_order(folders):
    manifest = datasets.read_manifest(folders)
    first = datasets.assign_splits(manifest, seed=1).set_index("file")["split"]
    shuffled = datasets.assign_splits(manifest.sample(frac=1, random_state=0), seed=1).set_index("file")["split"]
    other = datasets.assign_splits(manifest, seed=2).set_index("file")["split"]
    assert (first == shuffled[first.index]).all()
    assert (first != other[first.index]).any()


def test_a_manifest_with_leaking_splits_raises(folders):
    manifest = datasets.assign_splits(datasets.read_manifest(folders))
    row = manifest.index[manifest["patient"].duplicated()][0]
    manifest.loc[row, "split"] = "test" if manifest.loc[row, "split"] != "test" else "train"
    manifest.to_csv(folders / "manifest.csv", index=False)
    with pytest.raises(ValueError, match="in more than one split"):
        datasets.load(folders, 16)


def test_a_class_of_two_patients_stays_in_training(folders):
    for patient in range(2):
        write(folders / "rare" / f"person{100 + patient}_virus_0.png")
    data = datasets.load(folders, 16)
    assert datasets.summary(data.manifest)["rare"]["train"]["patients"] == 2


@pytest.mark.parametrize(
    ("file", "patient"),
    [
        ("x/person12_bacteria_47.jpeg", "person12"),
        ("x/IM-0117-0001.jpeg", "im-0117"),
        ("x/NORMAL2-IM-0117-0001.jpeg", "im-0117"),
        ("00000013_005.png", "00000013"),
        ("9043246L.png", "9043246"),
        ("9043246R.png", "9043246"),
        ("patient00010_study1.jpg", "patient00010"),
        ("whatever_12.png", "whatever_12.png"),
    ],
)
def test_patients_are_read_from_file_names_of_public_sets(file, patient):
    assert sources.patient_of(file) == patient


def test_batches_resume_at_any_image_with_the_same_sequence(folders):
    train = datasets.load(folders, 16).train
    whole = list(train.batches(5, seed=3).take(40))
    resumed = list(train.batches(5, seed=3, start=5 * 17).take(23))
    for (images, labels), (more_images, more_labels) in zip(whole[17:], resumed, strict=True):
        np.testing.assert_array_equal(images, more_images)
        np.testing.assert_array_equal(labels, more_labels)


def test_each_epoch_is_another_permutation_of_all_images(folders):
    train = datasets.load(folders, 16).train
    count = len(train)
    values = train.images[:, 0, 0, 0].astype(float)
    epochs = [images.numpy()[:, 0, 0, 0] for images, _ in train.batches(count, seed=3).take(3)]
    for epoch in epochs:
        np.testing.assert_allclose(np.sort(epoch), np.sort(values / 127.5 - 1), atol=1e-6)
    assert (epochs[0] != epochs[1]).any()
    other = next(iter(train.batches(count, seed=4)))[0].numpy()[:, 0, 0, 0]
    assert (epochs[0] != other).any()


def test_positions_of_an_image_over_many_epochs_are_spread_evenly():
    split = datasets.ImageSet(np.arange(10, dtype=np.uint8)[:, None, None, None], np.arange(10))
    labels = np.stack([labels.numpy() for _, labels in split.batches(10, seed=0).take(2000)])
    places = (labels == 4).argmax(1)
    counts = np.bincount(places, minlength=10)
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi-square with 9 degrees of freedom, p = 0.001


def test_balanced_batches_show_each_class_as_often_and_each_image_of_it_in_turn(folders):
    train = datasets.load(folders, 16).train
    rare = np.flatnonzero(train.labels == 1)
    images, labels = next(iter(train.batches(2 * len(rare), seed=3, balanced=True)))
    np.testing.assert_array_equal(labels, np.arange(2 * len(rare)) % 2)
    shown = np.sort(images.numpy()[1::2, 0, 0, 0])
    np.testing.assert_allclose(shown, np.sort(train.images[rare, 0, 0, 0] / 127.5 - 1), atol=1e-6)
    resumed, _ = next(iter(train.batches(4, seed=3, start=6, balanced=True)))
    np.testing.assert_array_equal(resumed, images[6:10])


def test_each_device_gets_its_part_of_a_batch(folders):
    train = datasets.load(folders, 16).train
    whole = [images for images, _ in train.batches(12, seed=3, start=12).take(2)]
    for mine in (slice(0, 1), slice(1, 3)):  # of three devices, one and two in a process
        shares = list(train.batches(12, seed=3, start=12, of=3, mine=mine).take(2 * len(range(3)[mine])))
        expected = [images[device::3] for images in whole for device in range(3)[mine]]
        for (images, _), share in zip(shares, expected, strict=True):
            np.testing.assert_array_equal(images, share)


def test_training_uses_16_bits_and_comparison_8(tmp_path):
    pixels = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    for index in range(3):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "a" / f"{index}.png")
    train = datasets.load(tmp_path, 8).train
    assert train.pixels.dtype == np.uint16
    np.testing.assert_array_equal(train.pixels[0, :, :, 0], pixels)
    assert train.images.dtype == np.uint8
    np.testing.assert_allclose(train.images[0, :, :, 0], pixels / 257, atol=0.5)
    images, _ = next(iter(train.batches(1)))
    np.testing.assert_allclose(images[0, :, :, 0], pixels / 32767.5 - 1, atol=1e-6)


def test_images_are_padded_to_a_square_and_antialiased(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 64))  # 64 x 128, finer than the target can show
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    image = datasets.read_image(tmp_path / "wide.png", 32)
    assert image.shape == (32, 32, 1)
    assert (image[:6] <= 2).all()
    assert np.abs(image[10:22].astype(int) - 128).max() < 16


def test_colour_and_mixed_sizes_become_grey_squares(tmp_path):
    for index, (size, mode, value) in enumerate(
        [((30, 20), "RGB", (255, 0, 0)), ((30, 40), "L", 76), ((64, 64), "L", 76)]
    ):
        write(tmp_path / "a" / f"{index}.png", value, size, mode)
    assert all(image[8, 8, 0] in (75, 76, 77) for image in datasets.read_images(tmp_path, 16).images)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "is not a folder"),
        (lambda root: root.mkdir(), "holds no images"),
        (lambda root: write(root / "a" / "only.png"), "No class has three patients"),
        (
            lambda root: (root.mkdir(), (root / "manifest.csv").write_text("name\nx\n")),
            "lacks the column class and file",
        ),
    ],
)
def test_folders_that_cannot_be_loaded_raise_one_sentence(tmp_path, make, message):
    make(tmp_path / "set")
    with pytest.raises(ValueError, match=message):
        datasets.load(tmp_path / "set", 16)


def test_a_damaged_image_is_named(folders):
    (folders / "a" / "person0_virus_0.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(ValueError, match=r"person0_virus_0\.png cannot be read"):
        datasets.read_images(folders, 16)


def test_prepare_merges_folders_into_one_manifest(folders, tmp_path):
    other = tmp_path / "more"
    for patient in range(5):
        write(other / "a" / f"person{200 + patient}_virus_0.png")
    table = datasets.prepare([folders / "a", other], tmp_path / "out")
    again = datasets.prepare([folders / "a", other], tmp_path / "out2")
    pd.testing.assert_frame_equal(table, again)
    data = datasets.load(tmp_path / "out", 16)
    assert len(data.train) + len(data.held_out) == len(table) == 65


def test_public_chest_xrays_keep_patient_groups_together(shared):
    data = datasets.load(shared / "chest_xray", 16)
    groups = data.manifest.groupby("patient")["split"].nunique()
    assert (groups == 1).all()
    assert len(data.manifest) == 4559
    assert set(data.classes) == {"bacterial_pneumonia", "normal", "viral_pneumonia"}
