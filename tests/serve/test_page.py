"""The page of a service in a real browser: what it sends, what it shows, and what it does when it is refused."""

import csv
import io
import re
import wave
from dataclasses import replace
from fractions import Fraction
from importlib import resources

import numpy as np
import pytest
from page_server import (
    FOUND,
    LABELS,
    RECORDING,
    Service,
    about,
    hits,
    item_picture,
    provenance,
    running,
    segments_of,
    spectrogram,
    timeline,
    verb,
    video,
)

from rushes.annotations.how import How
from rushes.annotations.reading import read
from rushes.evaluate.pages import palette
from rushes.runs.apply.page import clock

pytestmark = pytest.mark.slow

SEGMENTS = segments_of([(0, 2.0), (1, 1.5), (2, 2.5), (0, 2.0)])
ANSWER = timeline(SEGMENTS)
CLIP = {
    "clip_id": "a",
    "start_s": 2.0,
    "label": LABELS[2],
    "confidence": 0.87,
    "scores": {LABELS[2]: 0.87, LABELS[0]: 0.13},
    "temporal_segment": {"start_frame": 1, "end_frame": 88},
    "segment_s": {"start_s": 0.0, "end_s": 3.5},
    "asked_s": 0.88,
    "parse_stage": "scored",
    "duration_s": 8.0,
}
CUT = {
    "properties": {
        "clip_id": {"type": "string"},
        "start_s": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    }
}
HOSTILE = '<img src="x" onerror="document.title=1"> & "both", more'
BUSY = (429, {"error": "busy", "detail": "12 requests wait", "cure": "try again soon", "request_id": "r-1"})


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    return video(tmp_path_factory.mktemp("footage") / "bench.mp4", 8.0)


@pytest.fixture
def sound(tmp_path):
    with wave.open(str(tmp_path / "night.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.zeros(64000, "<i2").tobytes())
    return tmp_path / "night.wav"


def of_video(**fields):
    verbs = {
        "analyze": verb("What is done in a recording", {"file": True}, RECORDING),
        "predict": verb("What is done in a clip", {"file": True}, CUT),
    }
    answers = {"/analyze": lambda _: ANSWER, "/predict": lambda _: {**CLIP, **provenance()}}
    service = Service(about("video", LABELS, **verbs), answers, **fields)
    service.goes_on.set()
    return service


def of_search(**fields):
    return Service(
        about(None, [], search=verb("Find products", {"image": False}, FOUND)), {"/search": hits}, **fields
    )


def of_rig():
    files = {"front": True, "front_left": True, "rear": True, "front_times": False}
    moved = {
        "mean_speed_mps": {"value": 8.25, "low": 7.9, "high": 8.6, "unit": "m/s"},
        "yaw_deg": {"value": -3.0, "low": -5.2, "high": -1.0, "unit": "deg"},
        "reasoning": None,
        "duration_s": 20.0,
    }
    asked = {"properties": {"start_s": {"type": "number", "minimum": 0, "default": 0.0}}}
    return Service(
        about(None, [], predict=verb("How it moves", files, asked)),
        {"/predict": lambda _: {**moved, **provenance()}},
    )


@pytest.fixture
def opened(chromium):
    """Opens the page of a service; no fault and no breach of the policy may show in its log."""
    left = []

    def open_page(service, refused=(), **context):
        serving = running(service)
        serving.__enter__()
        within = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        page = within.new_page()
        page.service, page.faults, page.hosts = service, [], set()
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on(
            "console",
            lambda said: (
                page.faults.append(said.text)
                if said.type == "error" and not any(f"status of {status}" in said.text for status in refused)
                else None
            ),
        )
        page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
        page.goto(service.url)
        left.append((page, within, serving))
        return page

    yield open_page
    for page, within, serving in left:
        within.close()
        serving.__exit__(None, None, None)
        assert page.faults == []
        assert {host for host in page.hosts if host} == {page.service.url.split("/")[2]}


def sends(page, *paths):
    page.set_input_files("input[type=file] >> nth=0", list(map(str, paths)))


def answered(page, service, path):
    """Send a recording and wait for its timeline."""
    sends(page, path)
    page.wait_for_selector(".segments tbody tr")
    until(page, "document.querySelector('video, audio').readyState >= 2")
    return page


def until(page, expression):
    """Wait until it is true; playwright's own way runs text in the page, which the policy forbids."""
    for _ in range(500):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(30)
    raise AssertionError(f"never true: {expression}")


def now(page):
    return page.locator(".now .big").inner_text()


def time_of(page):
    return page.evaluate("document.querySelector('video, audio').currentTime")


# --- a recording --------------------------------------------------------------------------------------------


def test_a_timeline_fills_while_it_is_answered(opened, footage):
    service = of_video(partials=[SEGMENTS[:1], SEGMENTS[1:2]])
    service.goes_on.clear()
    page = opened(service)
    sends(page, footage)
    page.wait_for_selector(".progress .what:text('67 %')")
    assert page.locator("progress").evaluate("one => one.value") == pytest.approx(2 / 3)
    until(page, "document.querySelector('.lanes').ariaValueMax === '8'")  # as long as the video
    assert page.locator(".segments").count() == 0
    service.goes_on.set()
    page.wait_for_selector(".segments tbody tr")
    assert page.locator(".progress").count() == 0
    assert page.locator(".segments tbody tr").count() == len(SEGMENTS)
    [(path, fields, files)] = service.asked
    assert (path, fields) == ("/analyze", {"name": "bench.mp4", "scores": "true"})
    assert files == {"file": footage.read_bytes()}
    assert "after 0:08" in page.locator(".cards").inner_text()
    assert ANSWER["remark"] in page.locator(".below").inner_text()


def test_h264_plays_and_the_playhead_goes_with_it(opened, footage):
    page = answered(opened(of_video()), None, footage)
    assert page.evaluate("document.querySelector('video').videoWidth") == 320
    assert now(page) == LABELS[0]
    page.evaluate("document.querySelector('video').currentTime = 4.2")
    page.wait_for_selector(f".now .big:text('{LABELS[2]}')")
    head = page.locator(".head").bounding_box()["x"]
    page.keyboard.press(" ")
    until(page, "document.querySelector('video').currentTime > 4.6")
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelector('video').paused")
    assert page.locator(".head").bounding_box()["x"] > head


def test_segments_are_reached_by_key_by_pointer_and_in_the_table(opened, footage):
    page = answered(opened(of_video()), None, footage)
    for key, start_s in (
        ("ArrowRight", 2.0),
        ("ArrowRight", 3.5),
        ("ArrowLeft", 2.0),
        ("End", 8.0),
        ("Home", 0.0),
    ):
        page.keyboard.press(key)
        assert time_of(page) == pytest.approx(start_s)
    box = page.locator(".lanes").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 40)  # inside of the last segment
    assert time_of(page) == pytest.approx(6.0)
    assert page.locator(".segments tr[aria-current]").inner_text().startswith("4")
    page.click(".segments tbody tr:nth-child(3) .moment")
    assert time_of(page) == pytest.approx(3.5)
    assert page.locator(".lanes").get_attribute("aria-valuetext") == f"0:03.5, {LABELS[2]}"
    box = page.locator(".lanes").bounding_box()  # the page has scrolled to the table
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)  # scores are not snapped
    assert 6.5 < time_of(page) < 8.0
    page.mouse.move(box["x"] + box["width"] - 60, box["y"] + 40)
    assert page.locator(".tip").inner_text().startswith(f"{LABELS[0]} · 0:06 – 0:08")


def test_a_long_recording_is_zoomed(opened, footage):
    page = answered(opened(of_video()), None, footage)
    assert not page.locator(".whole").is_visible()
    for _ in range(3):
        page.click("text=+")
    assert page.locator(".timeline .head-row").inner_text().count("0:00 – 0:02 of 0:08") == 1
    page.keyboard.press("End")  # the part that is seen follows the playhead
    assert page.locator(".head").is_visible()
    page.locator(".whole").click(position={"x": 3, "y": 8})
    assert "0:00 – 0:02" in page.locator(".timeline .head-row").inner_text()
    page.keyboard.press("0")
    assert not page.locator(".whole").is_visible()


def test_the_least_sure_come_first_when_asked(opened, footage):
    page = answered(opened(of_video()), None, footage)
    page.click("text=Least sure first")
    shown = page.locator(".segments tbody td.sure .figure").all_inner_texts()
    assert shown == sorted(shown, key=lambda text: int(text.split()[0]))


def test_a_clip_is_asked_as_one(opened, footage):
    page = answered(opened(of_video()), None, footage)
    page.keyboard.press("ArrowRight")
    page.click("text=Ask about the clip from here")
    card = page.locator(".clip .card").inner_text()
    assert "The clip from 0:02" in card
    assert "87 %" in card
    assert "0:02.0 to 0:05.5 of the recording" in card
    assert re.search(r"Frames of the clip\s+1 to 88", card)
    assert re.search(r"Asked about the moment\s+0:02\.9", card)
    assert not re.search("parse|duration|scored", card, re.IGNORECASE)
    assert page.service.asked[-1][:2] == ("/predict", {"clip_id": "bench.mp4", "start_s": "2.000"})
    page.click("text=Options of a clip")
    page.fill("input[type=number]", "4.5")
    page.click("text=Ask about the clip from here")
    until(page, "!document.querySelector('.progress')")
    assert page.service.asked[-1][1]["start_s"] == "4.5"
    assert page.locator(".segments tbody tr").count() == len(SEGMENTS)  # the timeline stays


def test_files_are_read_by_the_readers_of_the_house(opened, footage, tmp_path):
    """Labels that would break a format which forgets to escape."""
    labels = [HOSTILE, "-->", '=1+"1"', "Ä]]> \t tab"]
    segments = segments_of([(0, 2.0), (1, 1.5), (2, 2.5), (3, 1.25)], labels)
    service = of_video()
    service.answers["/analyze"] = lambda _: timeline(segments, labels)
    page = answered(opened(service), None, footage)
    expected = [
        (Fraction(str(one["start_s"])), Fraction(str(one["end_s"])), one["label"]) for one in segments
    ]
    for title, how in (
        ("WebVTT", How(format="webvtt")),
        ("CSV", How(format="table")),
        ("ELAN", How(format="elan")),
        ("Label Studio", How(format="label_studio", fps=Fraction(25))),
    ):
        with page.expect_download() as saved:
            page.click(f".files button:text-is('{title}')")
        path = tmp_path / saved.value.suggested_filename
        saved.value.save_as(path)
        marks = read(path, how, "bench").marks
        found = [(mark.start_s, mark.end_s, mark.label) for mark in marks]
        if title == "Label Studio":  # frames
            assert [label for *_, label in found] == labels
            assert all(
                abs(mark[1] - one[1]) <= Fraction(1, 25) for mark, one in zip(found, expected, strict=True)
            )
        else:
            assert found == expected, title
    table = list(csv.DictReader(io.StringIO((tmp_path / "bench.csv").read_text())))
    assert [row["score"] for row in table] == [str(round(one["confidence"], 4)) for one in segments]
    with page.expect_download() as saved:
        page.click(".files button:text-is('JSON')")
    assert saved.value.suggested_filename == "bench.json"


def test_what_an_answer_says_is_never_markup(opened, footage):
    segments = segments_of([(0, 4.0), (1, 4.0)], [HOSTILE, "other"])
    answer = timeline(segments, [HOSTILE, "other"]) | {"remark": HOSTILE}
    service = of_video()
    service.answers = {
        "/analyze": lambda _: answer,
        "/predict": lambda _: {"label": HOSTILE, HOSTILE: HOSTILE},
    }
    page = answered(opened(service), None, footage)
    page.click("text=Ask about the clip from here")
    page.wait_for_selector(".clip .card")
    page.click("text=Read the answer >> nth=0")
    assert page.locator("main img").count() == 0
    assert HOSTILE in page.locator(".segments").inner_text()
    assert HOSTILE in page.locator(".below").inner_text()
    assert page.title() == "packing-bench · rushes"


def test_a_file_that_the_browser_cannot_play_is_answered_all_the_same(opened, tmp_path):
    (tmp_path / "old.avi").write_bytes(b"RIFF nothing that plays")
    page = opened(of_video())
    sends(page, tmp_path / "old.avi")
    page.wait_for_selector(".segments tbody tr")
    page.wait_for_selector(".player .note:visible")
    page.keyboard.press("ArrowRight")
    assert now(page) == LABELS[1]


def test_a_file_that_nobody_can_read_is_told_once(opened, tmp_path):
    (tmp_path / "notes.mp4").write_bytes(b"no video")
    said = {
        "error": "undecodable",
        "detail": "notes.mp4 is no video",
        "cure": "send a video",
        "request_id": "r-2",
    }
    page = opened(of_video(refusals=[(422, said, {})]), refused=[422])
    sends(page, tmp_path / "notes.mp4")
    page.wait_for_selector(".problem")
    until(page, "document.querySelector('video').error !== null && document.querySelector('video').hidden")
    assert not page.locator(".player .note").is_visible()


def test_a_label_that_the_model_alone_would_not_give_says_so(opened, footage):
    answer = timeline(SEGMENTS)
    answer["scores"] = [[0.02, 0.3, 0.33, 0.1, 0.1, 0.1, 0.05], *answer["scores"][1:]]
    service = of_video()
    service.answers["/analyze"] = lambda _: answer
    page = answered(opened(service), None, footage)
    assert now(page) == LABELS[0]
    assert f"smoothed; the model alone says {LABELS[2]}" in page.locator(".now").inner_text()
    page.keyboard.press("ArrowRight")
    assert "smoothed" not in page.locator(".now").inner_text()


def test_a_format_is_chosen_from_those_that_there_are(opened, footage):
    page = opened(of_video())
    page.click("text=Options of the timeline")
    assert page.locator(".options select option").all_inner_texts() == ["none", "csv", "eaf"]
    page.select_option(".options select", "eaf")
    answered(page, None, footage)
    assert page.service.asked[-1][1]["write"] == "eaf"


def test_a_sound_lies_under_its_spectrogram(opened, sound):
    labels = ["quiet", "snore"]
    answer = timeline(segments_of([(0, 3), (1, 5)], labels), labels, 0.25) | {"spectrogram": spectrogram(8.0)}
    asked = {"properties": {"spectrogram": {"type": "boolean", "default": False}}}
    service = Service(
        about("audio", labels, analyze=verb("What is heard", {"file": True}, asked)),
        {"/analyze": lambda _: answer},
    )
    service.goes_on.set()
    page = answered(opened(service), None, sound)
    assert service.asked[0][1] == {"spectrogram": "true"}
    colours = page.evaluate(
        """() => {
          const canvas = document.querySelector('.lanes canvas'), sharp = devicePixelRatio;
          const {data} = canvas.getContext('2d').getImageData(canvas.width - 300 * sharp, 130 * sharp, 250, 1);
          return new Set(Array.from({length: 250}, (_, n) => data.slice(4 * n, 4 * n + 3).join())).size;
        }"""
    )
    assert colours > 50
    page.keyboard.press("ArrowRight")
    assert time_of(page) == pytest.approx(3.0)


# --- refusals -----------------------------------------------------------------------------------------------


def test_a_refusal_is_told_with_its_cure_and_the_request(opened, footage):
    problem = {
        "error": "too_long",
        "detail": "it has 5 h, 4 h are taken",
        "cure": "cut it",
        "request_id": "r-77",
    }
    service = of_video(refusals=[(422, problem, {})])
    page = opened(service, refused=[422])
    sends(page, footage)
    card = page.wait_for_selector(".problem[role=alert]").inner_text()
    assert all(part in card for part in ("It has 5 h, 4 h are taken", "Cut it", "r-77"))
    page.click("text=Analyze again")
    page.wait_for_selector(".segments tbody tr")
    assert page.locator(".problem").count() == 0


def test_what_is_too_large_is_not_sent(opened, footage):
    service = of_video()
    service.about["limits"]["max_mb"] = 0.001
    page = opened(service)
    sends(page, footage)
    assert "Too large" in page.wait_for_selector(".problem").inner_text()
    assert service.asked == []


def test_a_busy_service_is_asked_once_more_by_itself(opened, footage):
    service = of_video(refusals=[(*BUSY, {"Retry-After": "2"})])
    page = opened(service, refused=[429])
    sends(page, footage)
    page.wait_for_selector(".progress .what:text('Trying again in 2 s')")
    page.wait_for_selector(".segments tbody tr")
    assert len(service.asked) == 2
    service.refusals = [(*BUSY, {"Retry-After": "1"})] * 2
    page.click("text=Analyze again")
    card = page.wait_for_selector(".problem").inner_text()
    assert "12 requests wait" in card
    assert "again in 1 s" in card
    assert len(service.asked) == 4
    page.click(".problem button")
    page.wait_for_selector(".segments tbody tr")


def test_a_key_is_asked_for_kept_in_the_tab_and_sent(opened):
    service = replace(of_search(), key="sesame")
    page = opened(service, refused=[401])
    page.fill("#key-text", "wrong")
    page.click("text=Use this key")
    page.wait_for_selector("#key-said:text('the key is not known')")
    page.fill("#key-text", "sesame")
    page.keyboard.press("Enter")
    page.fill("#words", "oak")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.hit img')?.naturalWidth === 240")
    assert page.locator(".hit img").first.get_attribute("src").startswith("blob:")
    page.click("nav >> text=API")
    assert "What it says." in page.wait_for_selector("#docs[open]").inner_text()
    with page.expect_download() as saved:
        page.click("#docs >> text=openapi.json")
    assert saved.value.suggested_filename == "openapi.json"
    page.click("#docs >> text=Close")
    page.reload()
    page.wait_for_selector("#words")
    page.click("text=Forget key")
    page.reload()
    page.wait_for_selector("dialog[open]")
    page.click("text=Cancel")
    assert "A key is needed" in page.wait_for_selector(".problem").inner_text()


def test_cancelling_ends_the_request(opened, footage):
    service = of_video(partials=[SEGMENTS[:1]])
    service.goes_on.clear()
    page = opened(service)
    sends(page, footage)
    page.wait_for_selector(".progress .what:text('50 %')")
    page.click("text=Cancel")
    page.wait_for_selector("text=Cancelled")
    for _ in range(300):
        if service.left:
            break
        page.wait_for_timeout(20)
    assert service.left == 1


def test_work_that_fails_half_way_is_told(opened, footage):
    service = of_video(partials=[SEGMENTS[:1]], breaks={"detail": "frame 90 is broken", "request_id": "r-9"})
    page = opened(service)
    sends(page, footage)
    card = page.wait_for_selector(".problem").inner_text()
    assert "Frame 90 is broken" in card
    assert "r-9" in card
    service.breaks = None
    page.click(".problem button")
    page.wait_for_selector(".segments tbody tr")


# --- search, rig --------------------------------------------------------------------------------------------


def test_a_search_by_words_by_picture_and_with_filters(opened, tmp_path):
    (tmp_path / "chair.jpg").write_bytes(item_picture("chair"))
    page = opened(of_search())
    page.fill("#words", "grey oak sideboard")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert page.locator(".hit").count() == 24
    until(page, "document.querySelector('.hit img').naturalWidth === 240")
    assert page.service.asked[-1][1] == {"words": "grey oak sideboard", "k": "24"}
    page.click(".hit >> nth=0 >> text=scandinavian")
    until(page, "document.querySelectorAll('.hit').length === 12")
    assert page.service.asked[-1][1]["where"] == '{"style":"scandinavian"}'
    page.click(".filters .pill")
    until(page, "document.querySelectorAll('.hit').length === 24")
    sends(page, tmp_path / "chair.jpg")
    page.wait_for_selector(".mix:visible")
    until(page, "!document.querySelector('.found[aria-busy]')")
    _, fields, files = page.service.asked[-1]
    assert fields["weight"] == "0.5"
    assert files == {"image": (tmp_path / "chair.jpg").read_bytes()}
    page.click(".hit >> nth=3 >> text=More like this")
    until(page, "document.querySelector('#words').value === ''")
    until(page, "document.querySelector('.thumb img').alt.includes('shop/0003')")


def test_files_of_a_rig_find_their_cameras_by_their_names(opened, footage, tmp_path):
    page = opened(of_rig())
    assert page.locator(".rig button.main").is_disabled()
    names = ["clip7.REAR.mp4", "clip7.front-left.mp4", "clip7.front.mp4"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(footage.read_bytes() + bytes(number))
    page.evaluate(
        """files => {
          const moved = new DataTransfer();
          for (const [name, size] of files) moved.items.add(new File([new Uint8Array(size)], name));
          document.querySelector('.rig').dispatchEvent(new DragEvent('drop', {dataTransfer: moved, bubbles: true}));
        }""",
        [[name, 10 + number] for number, name in enumerate(names)],
    )
    page.click("text=Options")
    page.fill("input[type=number]", "1.5")
    page.click(".rig button.main")
    page.wait_for_selector("text=Answer")
    [(_, fields, files)] = page.service.asked
    assert {name: len(content) for name, content in files.items()} == {
        "rear": 10,
        "front_left": 11,
        "front": 12,
    }
    assert fields == {"start_s": "1.5"}
    row = page.locator(".rig table tbody tr").first.inner_text().split("\t")
    assert row == ["Mean speed (m/s)", "8.25", "7.9", "8.6", "m/s"]


# --- for everybody ------------------------------------------------------------------------------------------

FAINT = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue].map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const found = rgb(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] > 0.5) return found;
    }
    return [255, 255, 255];
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
  for (let node; (node = walk.nextNode());) {
    const one = node.parentElement;
    if (!node.data.trim() || !one.checkVisibility() || one.disabled || one.closest('option, noscript')) continue;
    const [ink, paper] = [light(rgb(getComputedStyle(one).color)), light(ground(one))];
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) faint.push(`${contrast.toFixed(1)} ${node.data.trim().slice(0, 40)}`);
  }
  return faint;
}"""

NAMELESS = """() => [...document.querySelectorAll('button, input, select, a, video, audio, [role=slider], img')]
  .filter((one) => one.checkVisibility() && !(one.ariaLabel || one.labels?.[0]?.innerText || one.innerText || one.alt))
  .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["recording", "refused", "search", "rig"])
def test_narrow_wide_light_and_dark(opened, footage, kind, scheme):
    service = {"search": of_search, "rig": of_rig}.get(kind, of_video)()
    if kind == "refused":
        service.refusals = [
            (503, {"error": "not_ready", "detail": "still loading", "request_id": "r"}, {"Retry-After": "9"})
        ]
    page = opened(service, refused=[503], color_scheme=scheme, viewport={"width": 360, "height": 740})
    if kind == "search":
        page.fill("#words", "oak")
        page.keyboard.press("Enter")
        page.wait_for_selector(".hit")
    elif kind == "rig":
        page.wait_for_selector(".slot")
    else:
        sends(page, footage)
        page.wait_for_selector(".problem" if kind == "refused" else ".segments tbody tr")
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(FAINT) == []
    assert page.evaluate(NAMELESS) == []


def test_colours_and_times_are_those_of_the_house(opened):
    page = opened(of_search())
    labels = [f"label {number}" for number in range(60)]
    found = page.evaluate("async labels => [...(await import('/page/colours.js')).palette(labels)]", labels)
    for (label, colour), (name, expected) in zip(found, palette(labels).items(), strict=True):
        parts = [(int(colour[n : n + 2], 16), int(expected[n : n + 2], 16)) for n in (1, 3, 5)]
        assert label == name
        assert all(abs(one - other) <= 1 for one, other in parts), label  # halves are rounded otherwise
    times = [0, 0.04, 5.5, 59.96, 62.5, 3599.99, 3661, 26405.2]
    assert page.evaluate("async times => times.map((await import('/page/words.js')).clock)", times) == [
        clock(time_s) for time_s in times
    ]


def test_events_are_read_however_they_are_cut(opened):
    page = opened(of_search())
    text = ': beat\n\nevent: partial\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata:x\n\nevent: result\rdata: ü: y\r\rdata: cut'
    found = page.evaluate(
        """async text => {
          const { EventReader } = await import('/page/events.js');
          const read = (pieces) => {
            const all = [], reader = new EventReader((name, data) => all.push([name, data]));
            pieces.forEach((piece) => reader.feed(piece));
            return JSON.stringify(all);
          };
          const cuts = [[...text].join('') && [...text]];
          for (let one = 0; one <= text.length; one += 1) cuts.push([text.slice(0, one), text.slice(one)]);
          return [...new Set(cuts.map(read))];
        }""",
        text,
    )
    assert found == ['[["partial","{\\"a\\":\\n1}"],["message","x"],["result","ü: y"]]']


def test_the_files_hold_to_the_policy():
    """Nothing from outside, nothing inline, no text that becomes markup."""
    folder = resources.files("rushes.serve").joinpath("page")
    sources = {one.name: one.read_text() for one in folder.iterdir()}
    assert {"index.html", "page.css", "page.js"} <= set(sources)
    for name, source in sources.items():
        unnamed = source.replace("http://www.w3.org/", "").replace("http://www.mpi.nl/", "")
        assert not re.search(
            r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", unnamed
        ), name
        assert len(source.splitlines()) <= 450, name
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", sources["index.html"])
