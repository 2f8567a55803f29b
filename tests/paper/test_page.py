"""The page: one file, nothing fetched, and whatever a name contains is text."""

import base64
import re
from html.parser import HTMLParser

import pytest

from atvg.paper.page import page
from atvg.paper.parts import Cell, Film, Part, Picture, Table

EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Reader(HTMLParser):
    """Checks that elements close in order, and keeps every address."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "poster", "data")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def assert_self_contained(text: str) -> None:
    """Nothing is fetched: all addresses are data, or places of the page itself that are there."""
    reader = read(text)
    known = {attributes.get("id") for _, attributes in reader.tags}
    for address in reader.addresses:
        assert address.startswith("data:") or (address[0] == "#" and address[1:] in known), address[:80]
    assert not re.search(r"https?:|url\(|@import|<script|<link rel=\"stylesheet", text)


@pytest.fixture
def parts(tmp_path) -> list[Part]:
    for name in ("a.png", "a.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    table = Table("Figures <1>", ("LMD & more",), (("ATVG", (Cell("0.5", "(0.4–0.6)", "good"),)),))
    picture, film = Picture(tmp_path / "a.png", 'a "face"', "Faces"), Film(tmp_path / "a.mp4", "Talking")
    return [Part("one", "One", ("<b>bold</b>",), ("a point",), (table,), (picture,), (film,))]


def test_it_needs_nothing_else(parts):
    text = page("Title", "lead", {"pack": "p"}, parts)
    assert_self_contained(text)
    assert base64.b64encode(b"a.png").decode() in text and base64.b64encode(b"a.mp4").decode() in text


def test_names_are_text_and_never_markup(parts):
    text = page("T <x>", "l", {"pack": "<script>"}, parts)
    assert "<b>" not in text and "&lt;b&gt;bold" in text and "&lt;script&gt;" in text
    assert "LMD &amp; more" in text and "a &quot;face&quot;" in text


def test_who_cannot_see_it_is_told(parts):
    tags = read(page("T", "l", {}, parts)).tags
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert all(attributes.get("aria-label") for tag, attributes in tags if tag == "video")
    assert [attributes["lang"] for tag, attributes in tags if tag == "html"] == ["en"]


def test_silent_films_play_by_themselves_and_others_wait(parts):
    silent = read(page("T", "l", {}, parts)).tags
    spoken = Part("two", "Two", films=(Film(parts[0].films[0].path, "with sound", sound=True),))
    loud = read(page("T", "l", {}, [spoken])).tags
    assert ["autoplay" in a and "muted" in a for tag, a in silent if tag == "video"] == [True]
    assert ["autoplay" in a or "muted" in a for tag, a in loud if tag == "video"] == [False]


def test_a_table_in_markdown(parts):
    lines = parts[0].tables[0].markdown().splitlines()
    assert lines == ["**Figures <1>**", "", "| | LMD & more |", "|---|---:|", "| ATVG | 0.5 (0.4–0.6) |"]
