"""The per-sample ways to windows of several cameras, run by a peer's own interpreter: WAY PLAN.

For each window the cameras' videos are fetched out of their archives, opened, sought and decoded; the chosen
frames are scaled, put on one canvas and encoded. No clocks, no signals, no tar, no checksums: those come free
here. `torchcodec-once` asks for the chosen frames of all windows together, one camera after the other. The
plan is JSON: `videos` (camera -> [archive, member]), `places` (camera -> [left, top]), `content` and `canvas`
(w, h), `windows`, a list of camera -> frame numbers. Prints CPU seconds without imports, and the pictures.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path


def fetched(video):
    """The member's bytes, as the archive's own reader gives them."""
    with zipfile.ZipFile(video[0]) as archive:
        return archive.read(video[1])


def opencv(plan):
    """What the earlier system did: unpack for each sample, seek for each frame."""
    import cv2

    cv2.setNumThreads(1)
    yield
    for window in plan["windows"]:
        with tempfile.TemporaryDirectory() as folder:
            shown = {}
            for camera, numbers in window.items():
                archive, member = plan["videos"][camera]
                with zipfile.ZipFile(archive) as opened:
                    path = opened.extract(member, folder)
                capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
                shown[camera] = []
                for number in numbers:
                    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
                    whole, picture = capture.read()
                    assert whole, number
                    small = cv2.resize(picture, plan["content"], interpolation=cv2.INTER_AREA)
                    shown[camera].append(small[:, :, ::-1])
                capture.release()
            yield from canvases(plan, shown)


def decord(plan):
    # By default it now and then gives up far from the end: "Unable to handle EOF".
    os.environ["DECORD_EOF_RETRY_MAX"] = "1000000"
    import decord

    yield
    width, height = plan["content"]
    for window in plan["windows"]:
        shown = {}
        for camera, numbers in window.items():
            data = io.BytesIO(fetched(plan["videos"][camera]))
            reader = decord.VideoReader(data, width=width, height=height, num_threads=1)
            shown[camera] = reader.get_batch(numbers).asnumpy()
        yield from canvases(plan, shown)


def torchcodec(plan):
    import torch
    from torchcodec import decoders, transforms

    torch.set_num_threads(1)
    resize = transforms.Resize(plan["content"][::-1])
    yield
    for window in plan["windows"]:
        shown = {
            camera: _frames(decoders, resize, fetched(plan["videos"][camera]), numbers)
            for camera, numbers in window.items()
        }
        yield from canvases(plan, shown)


def torchcodec_once(plan):
    import torch
    from torchcodec import decoders, transforms

    torch.set_num_threads(1)
    resize = transforms.Resize(plan["content"][::-1])
    yield
    shown = {}
    for camera, video in plan["videos"].items():
        union = sorted({number for window in plan["windows"] for number in window[camera]})
        frames = _frames(decoders, resize, fetched(video), union)
        shown[camera] = dict(zip(union, frames, strict=True))
    done = {}
    for window in plan["windows"]:
        for numbers in zip(*window.values(), strict=True):
            if numbers not in done:  # a moment's picture serves all windows, as it does in ours
                moment = {camera: [shown[camera][n]] for camera, n in zip(window, numbers, strict=True)}
                done[numbers] = next(canvases(plan, moment))
            yield done[numbers]


def _frames(decoders, resize, data, numbers):
    decoder = decoders.VideoDecoder(
        data, num_ffmpeg_threads=1, dimension_order="NHWC", seek_mode="approximate", transforms=[resize]
    )
    return decoder.get_frames_at(numbers).data.numpy()


def physical_ai_av(plan):
    """The dataset's own kit: its reader is built from the archive's bytes at every call."""
    import cv2
    import numpy
    from physical_ai_av.video import SeekVideoReader

    cv2.setNumThreads(1)
    yield
    for window in plan["windows"]:
        shown = {}
        for camera, numbers in window.items():
            reader = SeekVideoReader(io.BytesIO(fetched(plan["videos"][camera])))
            pictures = reader.decode_images_from_frame_indices(numpy.array(numbers))
            shown[camera] = [
                cv2.resize(picture, plan["content"], interpolation=cv2.INTER_AREA) for picture in pictures
            ]
            reader.close()
        yield from canvases(plan, shown)


def canvases(plan, shown):
    """One JPEG for each moment: every camera in its place."""
    import numpy
    import simplejpeg

    width, height = plan["canvas"]
    for pictures in zip(*shown.values(), strict=True):
        canvas = numpy.zeros((height, width, 3), numpy.uint8)
        for camera, picture in zip(shown, pictures, strict=True):
            left, top = plan["places"][camera]
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        yield simplejpeg.encode_jpeg(canvas, quality=90, colorspace="RGB", colorsubsampling="420")


WAYS = {
    "opencv": opencv,
    "decord": decord,
    "torchcodec": torchcodec,
    "torchcodec-once": torchcodec_once,
    "physical_ai_av": physical_ai_av,
}


def main():
    plan = json.loads(Path(sys.argv[2]).read_text())
    pictures = WAYS[sys.argv[1]](plan)
    next(pictures)  # imports
    started_s = time.process_time()
    count = sum(len(picture) > 0 for picture in pictures)
    print(json.dumps({"cpu_s": time.process_time() - started_s, "pictures": count}))
    sys.stdout.flush()
    os._exit(0)  # some decoders crash while the interpreter takes them down


if __name__ == "__main__":
    main()
