"""Parts of a page that opens without a network: executed notebooks with formulas as MathML, and small pictures."""

import base64
import re
import warnings
from pathlib import Path

from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from medgan_tf.config import NOTEBOOKS

from .executed import read_executed, small

CODE_STYLE = HtmlFormatter(style="default").get_style_defs(".highlight")
PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def picture(png):
    """A data URL of a PNG's bytes, as `small` makes them."""
    return f"data:image/webp;base64,{base64.b64encode(small(png)).decode()}"


def notebook_page(path, run):
    """The HTML of a notebook that `run` executed, without head and style, for a page that has `CODE_STYLE`."""
    exporter = _Exporter(template_name="basic")
    with warnings.catch_warnings(action="ignore"):  # nbconvert's, of pictures without a text in their place
        page, _ = exporter.from_notebook_node(read_executed(path, run))
    return PNG.sub(lambda found: picture(base64.b64decode(found[1])), page)


class _Exporter(HTMLExporter):
    @pass_context
    def markdown2html(self, _, source):
        return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source)


class _Renderer(IPythonRenderer):
    def block_math(self, body):
        return convert(body, display="block")

    def inline_math(self, body):
        return convert(body)

    def image(self, text, url, title=None):
        path = NOTEBOOKS / url
        return super().image(text, picture(path.read_bytes()) if path.is_file() else url, title)

    def link(self, text, url, title=None):
        """A link to a notebook leads to it in this page; another file of the repository is named alone."""
        if re.match(r"[a-z]+:|#", url):
            return super().link(text, url, title)
        return f'<a href="#{Path(url).stem}">{text}</a>' if url.endswith(".ipynb") else text
