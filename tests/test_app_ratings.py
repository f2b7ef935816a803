"""The rating form: answers are kept, in the files that the statistics of reader studies read."""

import base64
import csv
import json
import sqlite3

import numpy as np
import pytest

from medgan_tf.__main__ import main
from medgan_tf.app import ratings, server


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """A kit as notebook 09 makes it, as far as the app reads it."""
    monkeypatch.setenv("MEDGAN_TF_OUTPUTS", str(tmp_path))
    folder = tmp_path / "run" / "readers" / "kit"
    (folder / "hidden").mkdir(parents=True)
    orders = [[0, 1, 2, 1], [2, 1, 0, 1]]
    (folder / "hidden" / "kit.json").write_text(json.dumps({"study": "abc123", "run": "run", "orders": orders}))
    np.save(folder / "hidden" / "images.npy", np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8))
    (folder / "hidden" / "key.csv").write_text("image,kind\n0,real\n1,synthetic\n2,real\n")
    return folder


@pytest.fixture
def reader(kit, service, tmp_path):
    return server.create_app(service, ratings.Ratings(tmp_path / "r.sqlite3", [kit]), rate="").test_client()


def send(client, path, **fields):
    page = client.get("/rate").get_data(as_text=True)
    fields["csrf_token"] = page.split('name="csrf_token" value="')[1].split('"')[0]
    return client.post(path, data=fields, follow_redirects=True).get_data(as_text=True)


def test_a_reader_answers_leaves_returns_and_finishes(reader, kit, tmp_path):
    page = send(reader, "/rate", reader="R 1", study="abc123")
    assert "Image 1 of 4" in page
    page = send(reader, "/rate/answer", position=1, answer="real", confidence=5, realism=4)
    assert "Image 2 of 4" in page
    assert "Your code" in send(reader, "/rate/leave")
    assert "Image 2 of 4" in send(reader, "/rate", reader="R 1", study="abc123")
    for position in (2, 3, 4):
        page = send(reader, "/rate/answer", position=position, answer="synthetic", confidence=1, realism=2)
    assert "Thank you, R 1" in page
    files = list((kit / "answers").glob("*.csv"))
    assert len(files) == 1
    assert "R 1" not in files[0].name
    with files[0].open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ratings.COLUMNS
    order = ratings.Ratings(kits=[kit]).find("abc123").order("R 1")
    assert [int(row["image"]) for row in rows] == list(order)
    assert [row["answer"] for row in rows] == ["real"] + 3 * ["synthetic"]
    assert {(row["source"], row["reader"], row["study"]) for row in rows} == {("page", "R 1", "abc123")}
    assert all(float(row["seconds"]) >= 0 for row in rows)
    with sqlite3.connect(tmp_path / "r.sqlite3") as connection:
        assert connection.execute("select count(*) from answers").fetchone() == (4,)


def test_the_first_answer_counts(reader, kit):
    send(reader, "/rate", reader="a", study="abc123")
    for answer in ("real", "synthetic"):
        send(reader, "/rate/answer", position=1, answer=answer, confidence=3, realism=3)
    text = next((kit / "answers").glob("*.csv")).read_text()
    assert ",real,3,3" in text
    assert "synthetic" not in text


WRONG = {"answer": ["maybe"], "confidence": [6, ""], "realism": [0], "position": [5, "1'; --"]}


@pytest.mark.parametrize("wrong", [{name: value} for name, values in WRONG.items() for value in values])
def test_answers_that_the_form_cannot_send_are_not_kept(reader, kit, wrong):
    send(reader, "/rate", reader="a", study="abc123")
    page = send(reader, "/rate/answer", **{"position": 1, "answer": "real", "confidence": 3, "realism": 3} | wrong)
    assert "422" in page
    assert not (kit / "answers").exists()


@pytest.mark.parametrize("code", ["", "a/b", "../x", "x" * 41, "<b>"])
def test_only_plain_codes_are_accepted(reader, code):
    assert "reader&#39;s code" in send(reader, "/rate", reader=code, study="abc123")


def test_pages_and_images_do_not_reveal_the_kind(reader, kit):
    page = send(reader, "/rate", reader="a", study="abc123")
    picture = page.split("data:image/png;base64,")[1].split('"')[0]
    assert "Synthetic" not in base64.b64decode(picture).decode("latin-1")
    before = page.replace(picture, "")
    key = kit / "hidden" / "key.csv"
    key.unlink()  # the page must not depend on it
    after = reader.get("/rate").get_data(as_text=True)
    assert after.replace(picture, "").split("<main")[1].split("csrf")[0] == before.split("<main")[1].split("csrf")[0]


def test_a_kit_is_only_served_if_the_server_is_told_to(kit, service):
    client = server.create_app(service, rate="").test_client()
    page = client.get("/rate").get_data(as_text=True)
    assert "<form" not in page
    assert "serve --readers KIT" in page
    client.application.config["WTF_CSRF_ENABLED"] = False
    assert client.post("/rate", data={"reader": "a", "study": "abc123"}).status_code == 404
    with client.session_transaction() as session:  # started while the study was served
        session.update(reader="a", study="abc123")
    assert "data:image" not in client.get("/rate").get_data(as_text=True)
    answer = {"position": 1, "answer": "real", "confidence": 3, "realism": 3}
    assert client.post("/rate/answer", data=answer).status_code == 404
    assert not (kit / "answers").exists()


def test_serve_takes_kits_and_refuses_other_folders(kit, monkeypatch, capsys):
    served = []
    monkeypatch.setattr("waitress.serve", lambda app, **_: served.append(app.test_client().get("/rate")))
    assert main(["serve", "--readers", str(kit)]) == 0
    assert 'value="abc123"' in served[0].get_data(as_text=True)
    assert main(["serve"]) == 0
    assert "abc123" not in served[1].get_data(as_text=True)
    assert main(["serve", "--readers", str(kit.parent)]) == 1
    assert "is not the kit of a reader study" in capsys.readouterr().err


@pytest.mark.parametrize(("method", "path"), [("get", "/rate"), ("post", "/rate"), ("post", "/rate/answer")])
def test_the_rate_limit_holds_for_readers(kit, service, tmp_path, method, path):
    made = server.create_app(service, ratings.Ratings(tmp_path / "r.sqlite3", [kit]), rate="2 per minute")
    made.config["WTF_CSRF_ENABLED"] = False
    client = made.test_client()
    statuses = [getattr(client, method)(path).status_code for _ in range(3)]
    assert 429 not in statuses[:2]
    assert statuses[2] == 429
