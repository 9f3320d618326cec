from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from html_tree import Tree
from jinja2 import UndefinedError
from jinja2.exceptions import TemplateNotFound

from rushes.evaluate.pages import Head, Markup, Section, block, page, render


@pytest.fixture(scope="module")
def tree(text):
    return Tree(text)


def head(**changes):
    found = {
        "title": "a run",
        "what": "report",
        "date": datetime(2026, 10, 3, 14, 5, tzinfo=UTC),
        "command": "rushes report recipe.yaml",
        "model": "tinycnn",
        "sizes": {"clips": 1234},
    }
    return Head(**(found | changes))


def test_it_needs_nothing_else(text, tree):
    assert text.startswith("<!doctype html>")
    for name, value in tree.attributes:
        if name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
            assert value.startswith(("data:", "#")), value
    assert not {"link", "iframe", "object", "embed", "base"} & set(tree.tags)
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "@import" not in text
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", text))


def test_the_browser_is_told_to_fetch_nothing_and_to_run_one_script(text):
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src &#39;none&#39;" in policy
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_names_cannot_become_markup(text, tree, evil):
    assert tree.tags.count("script") == 1
    assert text.count("<script") == text.count("</script") == 1
    assert not any(name.startswith("on") for name, _ in tree.attributes)
    assert sum(evil in said for said in tree.texts) >= 5  # title, head, tables, remarks, whiskers


def test_the_head_tells_date_command_model_and_sizes(tree):
    said = " ".join(tree.texts)
    for found in (
        "2026-10-03 14:05 UTC",
        "rushes run recipes/operations-twin.yaml",
        "1.2 M parameters",
        "1,240",
    ):
        assert found in said


def test_sections_stand_in_order_with_links_and_without_empty_ones(text):
    links = re.findall(r'<a href="#([^"]+)">', text)
    assert links == re.findall(r'<section id="([^"]+)">', text)
    assert links[0] == "result"
    assert "empty" not in links


def test_no_two_elements_have_the_same_id():
    sections = [Section(title, Markup("<p>x</p>")) for title in ("Clips", "clips", "Clips!", "Éé", "日本")]
    ids = re.findall(r' id="([^"]+)"', page(head(), sections))
    assert len(ids) == len(set(ids)) == 5


def test_ids_of_the_whole_page_are_its_own(text):
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_drawings_are_labelled(text):
    found = re.findall(r"<svg[^>]*>", text)
    assert len(found) > 10
    assert all('role="img"' in one and 'aria-label="' in one for one in found)


def test_the_same_page_has_the_same_bytes(text, again):
    assert text == again


def test_without_javascript_nothing_is_hidden_but_the_filter(text):
    assert "<noscript>" in text
    hidden = re.findall(r"<[^>]*\shidden[^>]*>", text)
    assert len(hidden) == 1
    assert 'class="filter"' in hidden[0]


def test_texts_of_a_template_are_escaped_and_its_names_must_be_given():
    assert block("note", "<b>") == '<p class="note">&lt;b&gt;</p>'
    assert block("note", Markup("<b>x</b>")) == '<p class="note"><b>x</b></p>'
    with pytest.raises(UndefinedError):
        render("rushes.evaluate.pages/page.html.j2", head=head())
    with pytest.raises(TemplateNotFound):
        render("rushes.evaluate.pages/none.html.j2")
    with pytest.raises(TemplateNotFound):
        render("rushes.no_such_task.report/page.html.j2")


def test_charts_are_imported_by_who_draws_alone():
    code = "import sys, rushes.cli, rushes.evaluate.pages; print({'altair', 'vl_convert'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
