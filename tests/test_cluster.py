import io
import json

import pandas as pd
import pytest
from dicom_samples import contents, make, picture, write

from medgan_tf.__main__ import main
from medgan_tf.dicom import batch, isolation

dask = pytest.importorskip("dask", reason="Dask (the extra scale) is not installed")
distributed = pytest.importorskip("distributed", reason="Dask (the extra scale) is not installed")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made


def idle_children():
    return len(isolation._idle)


def test_two_dask_workers_write_the_same_bytes_and_resume_where_this_machine_stopped(
    cluster, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(batch, "FILES", 2)  # so that there is work for both
    sources = tmp_path / "in"
    for number in range(24):
        dataset = make(picture(number), PatientID=f"P{number // 2}", PatientName="Doe^Jane")
        write(sources / ("sick" if number % 2 else "well") / f"{number:02d}", dataset)
    (sources / "well" / "cut").write_bytes((sources / "well" / "00").read_bytes()[:-50])
    assert main(["convert", str(sources), "--out", str(tmp_path / "here"), "--image-size", "16"]) == 0
    # eight files here, the rest on the cluster
    kept = {path: path.read_bytes() for path in sorted(path for path in sources.rglob("*") if path.is_file())[8:]}
    for path in kept:
        path.unlink()
    there = ["convert", str(sources), "--out", str(tmp_path / "there"), "--image-size", "16"]
    assert main(there) == 0
    for path, content in kept.items():
        path.write_bytes(content)
    isolation.release()
    assert main([*there, "--scheduler", cluster.scheduler_address]) == 0
    with distributed.Client(cluster) as client:
        assert all(client.run(idle_children).values()), "each worker keeps a child that read files"
    assert idle_children() == 0
    written, wanted = (contents(tmp_path / name) for name in ("there", "here"))
    # the patients of the first eight files keep the splits that they got when they were all
    manifests = [pd.read_csv(io.BytesIO(each.pop("manifest.csv"))).drop(columns="split") for each in (written, wanted)]
    pd.testing.assert_frame_equal(*manifests)
    assert written == wanted
    journal = (tmp_path / "there.private" / "progress.jsonl").read_text().splitlines()
    assert len([json.loads(line)["path"] for line in journal if line]) == 25  # each file once
    for sheet in ("rejected.csv", "review.csv"):
        assert (tmp_path / "there.private" / sheet).read_text() == (tmp_path / "here.private" / sheet).read_text()
    assert "24 images from DICOM" in capsys.readouterr().out


def test_a_missing_scheduler_gives_one_sentence(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert (
            main(["convert", str(tmp_path / "in"), "--out", str(tmp_path / "x"), "--scheduler", "tcp://[::1]:9"]) == 1
        )
    assert "tcp://[::1]:9" in capsys.readouterr().err
