"""The page of a reader study, driven in a browser as a reader would: by mouse, by finger, by keyboard alone."""

import pytest
from reading_kits import small_kit

from medgan_tf.studies import readers

WIDTHS = {"phone": (390, 844), "desktop": (1440, 900)}
GIVEN = {"answer": ["real", "synthetic"], "confidence": "12345", "realism": "54321"}
NO_STORAGE = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })"


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return small_kit(tmp_path_factory.mktemp("kit"), size=32)


@pytest.fixture
def open_page(browser, kit):
    """A function that opens the page without a network; the test fails if a script of the page fails."""
    contexts, errors = [], []

    def open_one(width="desktop", script=None, **settings):
        size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
        touch = {"is_mobile": True, "has_touch": True} if width == "phone" else {}
        context = browser.new_context(viewport=size, offline=True, **touch, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
        if script:
            page.add_init_script(script)
        page.goto(kit.page.as_uri())
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not errors


def begin(page, code="ab-1"):
    page.get_by_label("Your reader code").fill(code)
    page.get_by_role("button", name="Begin").click()


def answer(page, place):
    """Give the image at this position its answers of GIVEN, in turn."""
    for name, values in GIVEN.items():
        page.locator(f"#{name} label").filter(has=page.locator(f"[value='{values[place % len(values)]}']")).click()


def saved(page, folder, button="#save"):
    with page.expect_download() as download:
        page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def check(table, kit, reader):
    """Check that the file has the given answers, in this reader's order."""
    assert table["reader"].unique().tolist() == [reader]
    assert table["position"].tolist() == list(range(1, len(table) + 1))
    assert table["image"].tolist() in kit.settings["orders"]
    for name, values in GIVEN.items():
        assert table[name].astype(str).tolist() == [values[place % len(values)] for place in range(len(table))]


@pytest.mark.parametrize("width", WIDTHS)
def test_session_is_stored_saved_and_analysed(open_page, kit, width, tmp_path):
    page, total = open_page(width), len(kit.settings["orders"][0])
    begin(page, "no names, please")
    assert "letters, digits" in page.locator("#code-error").inner_text()
    begin(page)
    for place in range(total):
        assert page.locator("#count").inner_text() == f"{place + 1} of {total}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        answer(page, place)
        if place == 3:
            page.locator("#picture").click(position={"x": 30, "y": 60})
            page.locator("#picture").click(position={"x": 5, "y": 5})
            page.get_by_role("button", name="Remove last mark").click()
            page.get_by_label("Diagnosis").fill('Ödem, "basal"')
            page.reload()  # as after a closed window
            begin(page, page.locator("#code").input_value())
            assert page.locator("#count").inner_text() == f"{place + 1} of {total}"
            assert page.get_by_label("Diagnosis").input_value() == 'Ödem, "basal"'
            assert page.locator("#marks b").count() == 1
            side = page.locator("#picture").bounding_box()["width"]
        page.locator("#next").click()
    page.reload()
    begin(page)
    page.locator("#done-title").wait_for()
    path = saved(page, tmp_path)
    assert path.name == f"answers_{kit.settings['study']}_AB-1.csv"
    table, problems = readers.read_answers(tmp_path, kit)
    assert not problems and len(table) == total
    check(table, kit, "AB-1")
    marks = table["artefacts"].tolist()
    assert marks[3] == [pytest.approx((30 / side, 60 / side), abs=0.003)] and not any(marks[:3] + marks[4:])
    assert table["diagnosis"].tolist() == [""] * 3 + ['Ödem, "basal"'] + [""] * (total - 4)
    assert table["seconds"].between(0, 60).all()
    section = readers.analyse(kit, table)
    first = table[table["presentation"] == 1]
    truth = kit.key.set_index("image").loc[first["image"], "kind"]
    assert section["by_reader"]["AB-1"]["accuracy"]["value"] == (truth.to_numpy() == first["answer"]).mean()
    assert not section["simulated"]


def test_shortcuts_alone_suffice(open_page, kit, tmp_path):
    page = open_page()
    press = page.keyboard.press
    while page.evaluate("document.activeElement.id") != "code":
        press("Tab")
    page.keyboard.type("k1")
    press("Enter")
    for place in range(len(kit.settings["orders"][0])):
        press("Enter")
        assert "Still to answer" in page.locator("#missing").inner_text()
        press("rs"[place % 2])
        press(GIVEN["confidence"][place % 5])
        press(f"Shift+{GIVEN['realism'][place % 5]}")
        if place == 2:
            for key in ("m", "ArrowRight", "ArrowRight", "Shift+ArrowUp", "Enter", "Enter", "Delete"):
                press(key)
            press("d")
            page.keyboard.type("rs12 is typed here")
            press("Escape")
        press("Enter")
    while page.evaluate("document.activeElement.id") != "save":
        press("Tab")
    with page.expect_download() as download:
        press("Enter")
    download.value.save_as(tmp_path / "k1.csv")
    table = readers.read_answer_file(tmp_path / "k1.csv", kit)
    check(table, kit, "K1")
    assert table["artefacts"].tolist()[2] == [(0.54, 0.4)]
    assert table["diagnosis"].tolist()[2] == "rs12 is typed here"


def test_standard_keys_suffice_without_shortcuts(open_page, kit, tmp_path):
    page, total = open_page(), len(kit.settings["orders"][0])
    press = page.keyboard.press
    begin(page, "T")

    def reach(selector):
        for _ in range(20):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")

    reach("#shortcuts")
    press("Space")
    press("s")
    assert page.locator("#answer :checked").count() == 0
    for place in range(total):
        for name, values in GIVEN.items():
            reach(f"#{name} input")
            choice = values[place % len(values)]
            while page.locator(f"#{name} :checked").count() == 0 or page.input_value(f"#{name} :checked") != choice:
                press("ArrowRight")
        reach("#next")
        press("Enter")
    reach("#save")
    table = readers.read_answer_file(saved(page, tmp_path), kit)
    check(table, kit, "T")


def test_only_the_last_answer_can_be_corrected(open_page):
    page = open_page()
    begin(page)
    assert page.locator("#back").is_disabled()
    for place in range(3):
        answer(page, place)
        page.locator("#next").click()
    page.locator("#back").click()
    assert page.locator("#count").inner_text().startswith("3 of")
    assert page.locator("#answer :checked").input_value() == GIVEN["answer"][0]
    assert page.locator("#back").is_disabled()


def test_readers_with_different_orders_share_a_device(open_page, kit, tmp_path):
    page, images = open_page(), []
    for code in ("ONE", "TWO", "ONE"):
        begin(page, code)
        for place in range(3):
            answer(page, place)
            page.locator("#next").click()
        images.append(readers.read_answer_file(saved(page, tmp_path, "#copy"), kit)["image"].tolist())
        page.reload()
    assert [len(seen) for seen in images] == [3, 3, 6]
    assert images[2][:3] == images[0] != images[1]


def test_browser_without_storage_warns_and_still_saves_a_file(open_page, kit, tmp_path):
    page = open_page(script=NO_STORAGE)
    page.get_by_text("This browser does not let the page keep answers").wait_for()
    begin(page)
    answer(page, 0)
    assert len(readers.read_answer_file(saved(page, tmp_path, "#copy"), kit)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_accessibility_problem(open_page, kit, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = open_page(width, color_scheme=scheme, reduced_motion="reduce")

    def violations():
        found = axe.Axe().run(page).response["violations"]
        return [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]

    assert violations() == []
    begin(page)
    page.locator("#answer label").first.click()
    page.locator("#picture").click(position={"x": 30, "y": 60})
    page.locator("#next").click()
    page.locator("#missing").wait_for()
    assert violations() == []
    for place in range(len(kit.settings["orders"][0])):
        answer(page, place)
        page.locator("#next").click()
    assert violations() == []
