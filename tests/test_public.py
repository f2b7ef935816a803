import hashlib
import io
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medgan_tf import volumes
from medgan_tf.datasets import download, load, read_manifest


def npz():
    file, generator = io.BytesIO(), np.random.default_rng(0)
    parts = {}
    for split, count in (("train", 300), ("val", 3), ("test", 4)):
        parts[f"{split}_images"] = generator.integers(0, 256, (count, 28, 28), np.uint8)
        parts[f"{split}_labels"] = (np.arange(count) % 2)[:, None]
    np.savez(file, **parts)
    return file.getvalue(), parts


@pytest.fixture
def server():
    """A loopback server of one file that understands ranges; `asked` records them, `cut` breaks the next answer off."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            serving.asked.append(start)
            self.send_response(206 if start < len(serving.content) else 416)
            body = serving.content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: serving.cut or None])
            serving.cut = None

        def log_message(self, *arguments):
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.asked, serving.cut, (serving.content, serving.parts) = [], None, npz()
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield serving
    serving.shutdown()


@pytest.fixture
def known(server, monkeypatch):
    digest = "md5:" + hashlib.md5(server.content).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/file"
    entry = replace(download.SETS["pneumoniamnist_28"], url=url, digest=digest)
    monkeypatch.setitem(download.SETS, "pneumoniamnist_28", entry)
    return entry


def test_a_set_is_downloaded_verified_and_unpacked_once(server, known, tmp_path):
    folder = download.fetch("pneumoniamnist_28", tmp_path)
    table = pd.read_csv(folder / "manifest.csv")
    assert table["split"].value_counts().to_dict() == {"train": 300, "test": 4, "validation": 3}
    first = table[(table["split"] == "train")].iloc[0]
    np.testing.assert_array_equal(np.asarray(Image.open(folder / first["file"])), server.parts["train_images"][0])
    assert "CC BY 4.0" in (folder / "CITATION.txt").read_text()
    assert download.fetch("pneumoniamnist_28", tmp_path) == folder
    assert server.asked == [0]


def test_an_interrupted_download_is_resumed(server, known, tmp_path):
    server.cut = 150_000
    with pytest.raises(ConnectionError, match=r"put it at .*pneumoniamnist.npz"):
        download.fetch("pneumoniamnist_28", tmp_path)
    download.fetch("pneumoniamnist_28", tmp_path)
    assert server.asked[0] == 0
    assert 100_000 < server.asked[1] <= 150_000


def test_a_file_with_another_digest_raises(server, known, tmp_path):
    server.content = server.content[:-1] + b"x"
    with pytest.raises(ValueError, match="is not the published file"):
        download.fetch("pneumoniamnist_28", tmp_path)


def test_without_network_the_error_says_which_file_to_put_where(known, monkeypatch, tmp_path):
    monkeypatch.setitem(download.SETS, "pneumoniamnist_28", replace(known, url="http://127.0.0.1:9/file"))
    with pytest.raises(ConnectionError) as raised:
        download.fetch("pneumoniamnist_28", tmp_path)
    assert str(tmp_path / "pneumoniamnist.npz") in str(raised.value)
    assert "https://medmnist.com" in str(raised.value)


def test_a_file_downloaded_by_hand_is_used(tmp_path):
    with pytest.raises(ConnectionError, match="has no direct download"):
        download.fetch("kermany_chest_xray", tmp_path)
    with zipfile.ZipFile(tmp_path / "ChestXRay2017.zip", "w") as zipped:
        for name in ("train/NORMAL/IM-0115-0001.jpeg", "test/PNEUMONIA/person1_virus_6.jpeg"):
            file = io.BytesIO()
            Image.new("L", (8, 8)).save(file, "JPEG")
            zipped.writestr(f"chest_xray/{name}", file.getvalue())
        zipped.writestr("__MACOSX/chest_xray/._x.jpeg", b"junk")
    table = read_manifest(download.fetch("kermany_chest_xray", tmp_path))
    assert sorted(table["class"]) == ["NORMAL", "PNEUMONIA"]
    assert sorted(table["patient"]) == ["im-0115", "person1"]


def put(monkeypatch, folder, name, shape, labels):
    """Make the file of a MedMNIST set here, of images of this shape, and let its hash be the published one."""
    parts = {}
    for split in ("train", "val", "test"):
        parts[f"{split}_images"] = np.random.default_rng(len(split)).integers(0, 256, (len(labels), *shape), np.uint8)
        parts[f"{split}_labels"] = np.array(labels)
    entry = download.SETS[name]
    np.savez(folder / entry.file, **parts)
    digest = "md5:" + hashlib.md5((folder / entry.file).read_bytes()).hexdigest()
    monkeypatch.setitem(download.SETS, name, replace(entry, digest=digest))
    return parts


def test_a_set_in_colour_is_read_in_colour(monkeypatch, tmp_path):
    parts = put(monkeypatch, tmp_path, "bloodmnist_64", (64, 64, 3), [[0], [7], [3]])
    data = load(download.fetch("bloodmnist_64", tmp_path), 64)
    assert data.classes == ("basophil", "immature_granulocytes", "platelet")
    np.testing.assert_array_equal(data.test.images, parts["test_images"])


def test_images_with_several_findings_keep_each_in_a_column(monkeypatch, tmp_path):
    labels = np.zeros((3, 14), int)
    labels[1, 2] = labels[2, 2] = labels[2, 13] = 1
    put(monkeypatch, tmp_path, "chestmnist_28", (28, 28), labels)
    table = pd.read_csv(download.fetch("chestmnist_28", tmp_path) / "manifest.csv").query("split == 'test'")
    assert table["class"].tolist() == ["no_finding", "effusion", "several_findings"]
    assert table[["effusion", "hernia", "mass"]].to_numpy().tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]


def test_volumes_become_nifti_that_can_be_sliced(monkeypatch, tmp_path):
    parts = put(monkeypatch, tmp_path, "fracturemnist3d_28", (28, 28, 28), [[0], [2]])
    folder = download.fetch("fracturemnist3d_28", tmp_path)
    assert volumes.holds_volumes(folder)
    volume = nibabel.load(folder / "validation" / "displaced_rib_fracture" / "validation_00001.nii.gz")
    np.testing.assert_array_equal(np.asarray(volume.dataobj), parts["val_images"][1])
    volumes.convert([folder], tmp_path / "slices", 28, every=9, keep="all")
    table = read_manifest(tmp_path / "slices")
    assert table.groupby(["split", "class"])["patient"].nunique().to_dict() == {
        (split, name): 1
        for split in ("train", "validation", "test")
        for name in ("buckle_rib_fracture", "displaced_rib_fracture")
    }


def test_all_sets_of_medmnist_are_known_in_all_sizes():
    names = [name for name, entry in download.SETS.items() if entry.page == "https://medmnist.com"]
    assert len(names) == 12 * 4 + 6 * 2
    assert download.SETS["dermamnist_224"].licence == "CC BY-NC 4.0"
    assert len({download.SETS[name].digest for name in names}) == len(names)


def test_every_set_has_licence_citation_and_a_hash_with_its_source():
    for entry in download.SETS.values():
        assert entry.licence and entry.citation and entry.page.startswith("https://")
        assert bool(entry.url) == bool(entry.digest) == bool(entry.digest_source)


def test_an_unknown_name_raises():
    with pytest.raises(ValueError, match="There is no public set 'mnist'"):
        download.fetch("mnist", "nowhere")
