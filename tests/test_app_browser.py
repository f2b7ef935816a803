"""Every page in a real browser; skipped if there is none."""

import base64
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import numpy as np
import pydicom
import pytest
import test_gallery
from app_models import CLASSES, discs
from PIL import Image
from reading_kits import small_kit

from medgan_tf import dicom, generators
from medgan_tf.app import gallery, ratings, server

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
pytestmark = pytest.mark.slow
shown_run = test_gallery.run  # the fixture


@pytest.fixture
def address(served, service, tmp_path):
    """The app behind waitress on a free port, with a reader study."""
    from waitress.server import create_server

    kits = [small_kit(tmp_path / "kit", size=32).directory]
    app = server.create_app(service, ratings.Ratings(tmp_path / "ratings.sqlite3", kits), rate="")
    waitress = create_server(app, host="127.0.0.1", port=0, threads=8)
    threading.Thread(target=waitress.run, daemon=True).start()
    yield f"http://127.0.0.1:{waitress.effective_port}"
    waitress.close()


@pytest.fixture(params=SIZES)
def page(request, browser):
    """A page, as phone and as desktop, that fails the test if its console reports errors."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    opened.errors = []
    opened.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("request", lambda asked: opened.errors.append(asked.url) if _outside(asked.url) else None)
    yield opened
    assert opened.errors == []
    context.close()


def _outside(url):
    return not url.startswith(("http://127.0.0.1:", "data:", "file:"))


def fits(page):
    """Whether nothing is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def pictures(page):
    return page.eval_on_selector_all("img[src^='data:image/png']", "images => images.map(image => image.src)")


def test_generate_by_class_download_everything_and_follow_the_link(page, address, served, tmp_path):
    page.goto(address)
    page.select_option("#model", "trained/cgan")
    page.wait_for_url("**model=trained**")
    assert fits(page)
    page.select_option("#class", "small")
    page.fill("#num", "3")
    page.fill("#seed", "21")
    page.click("button:text-is('Generate')")
    page.wait_for_selector(".pictures")
    assert fits(page)
    first, link = pictures(page), page.get_attribute("#reproduce", "href")
    expected = generators.load(served / "trained/models/cgan").sample(3, "small", 21)
    saved = {}
    for kind, selector in (("zip", "text=ZIP of all"), ("png", "text=PNG >> nth=1"), ("dcm", "text=DICOM >> nth=1")):
        with page.expect_download() as download:
            page.click(selector)
        saved[kind] = tmp_path / f"saved.{kind}"
        download.value.save_as(saved[kind])
    np.testing.assert_allclose(np.asarray(Image.open(saved["png"])), expected[1, ..., 0], atol=1)
    np.testing.assert_allclose(dicom.read_image(saved["dcm"], (127.5, 255)) * 255, expected[1, ..., 0], atol=1)
    assert saved["zip"].read_bytes()[:2] == b"PK"
    page.goto(address + link)
    assert pictures(page) == first
    assert base64.b64decode(first[1].split(",")[1]) == saved["png"].read_bytes()
    page.click("[data-zoom] >> nth=0")
    assert page.is_visible("#zoom img")
    page.keyboard.press("Escape")
    page.click("text=Other images")
    page.wait_for_url(lambda url: "seed=21" not in url)
    assert pictures(page) != first


@pytest.mark.parametrize("kind", ["png", "dcm"])
@pytest.mark.parametrize("model", ["trained/stylegan2", "trained/dcgan"])
def test_upload_and_slide(page, address, tmp_path, kind, model):
    if kind == "dcm":
        path = pydicom.data.get_testdata_file("CT_small.dcm")  # of a real scanner
    else:
        path = tmp_path / "disc.png"
        Image.fromarray(discs(1, 5)[0][0, ..., 0]).save(path)
    page.goto(f"{address}/?model={model}")
    page.set_input_files("#file", path)
    page.click("text=Upload and compare")
    page.wait_for_selector(".compare.ready")
    assert fits(page)
    assert page.locator(".compare").count() == (len(CLASSES) if "stylegan" in model else 1)
    over = page.locator(".compare .over").first
    cut = lambda: over.evaluate("element => getComputedStyle(element).clipPath")  # noqa: E731
    before = cut()
    page.locator(".compare input").first.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert before != cut()
    assert "70%" in cut()
    with page.expect_download() as download:
        page.click("text=DICOM >> nth=0")
    download.value.save_as(tmp_path / "made.dcm")
    assert dicom.read_image(tmp_path / "made.dcm").shape == (32, 32)


def test_the_explorer_follows_its_sliders(page, address):
    page.goto(f"{address}/explore?model=trained/stylegan2")
    page.wait_for_selector("[data-frame]:not([hidden])")
    assert fits(page)
    moved = page.locator("form[data-live=moved] img")
    before = moved.get_attribute("src")
    page.locator("#d1").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector("form[data-live=moved] img[src*='d1=1.5']")
    assert moved.get_attribute("src") != before
    assert page.locator("output[for=d1]").inner_text() == "1.5"
    between = page.locator("form[data-live=between] img")
    first = between.get_attribute("src")
    page.locator("#frame").focus()
    page.keyboard.press("End")
    assert between.get_attribute("src") != first


@pytest.mark.parametrize("path", ["/models", "/about", "/rate", "/explore?model=trained/dcgan"])
def test_other_pages_fit_and_report_no_errors(page, address, path):
    page.goto(address + path)
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_load_state("networkidle")
    assert fits(page)
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.locator("h1").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


def checked_links(page):
    """Links of the page, after a check that images load and axe finds nothing, light on phones, dark on desktops."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_load_state("networkidle")
    missing = "[...document.images].filter(each => each.src && !each.naturalWidth).map(each => each.src)"
    assert page.evaluate(missing) == []
    options = {"resultTypes": ["violations"], "preload": False}  # else axe itself asks for the style, in vain from disk
    for size, scheme in zip(SIZES.values(), ("light", "dark"), strict=True):
        page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = axe.Axe().run(page, options=options).response["violations"]
        assert [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]] == [], (page.url, scheme)
        assert fits(page)
    return set(page.evaluate("[...document.links].map(each => each.href)"))


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_axe_finds_nothing_in_the_app_and_every_link_leads_somewhere(page, address, tmp_path):
    links = set()
    paths = ("/?model=trained/stylegan2", "/result?model=trained/cgan&num=2", "/explore?model=trained/stylegan2")
    for path in (*paths, "/models", "/about", "/rate"):
        page.goto(address + path)
        links |= checked_links(page)
    page.fill("#reader", "R 1")
    page.click("text=Start")
    page.wait_for_selector(".rating img")
    links |= checked_links(page)
    Image.fromarray(discs(1, 5)[0][0, ..., 0]).save(tmp_path / "disc.png")
    page.goto(f"{address}/?model=trained/cgan")
    page.set_input_files("#file", tmp_path / "disc.png")
    page.click("text=Upload and compare")
    page.wait_for_selector(".compare.ready")
    links |= checked_links(page)
    addresses = {urldefrag(link).url for link in links if not link.startswith("data:")}
    addresses.remove(f"{address}/upload")  # a skip link on the page that only a form leads to
    assert len(addresses) > 15
    assert [link for link in addresses if not page.request.get(link).ok] == []


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_axe_finds_nothing_in_a_gallery_opened_from_disk_and_every_link_resolves(page, shown_run, tmp_path):
    index = gallery.write(shown_run, tmp_path / "gallery")
    for path in index.parent.glob("*.html"):
        page.goto(path.as_uri())
        for link in checked_links(page):
            file, anchor = urldefrag(link)
            target = Path(unquote(urlsplit(file).path))
            assert target.is_file() and (not anchor or f'id="{anchor}"' in target.read_text()), link
