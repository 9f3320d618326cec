"""The per-sample way of a peer, run by the peer's own interpreter: PEER PLAN.

For each clip the file is opened, sought and decoded, and the chosen frames are scaled to the letterbox's
content and encoded; no signals, no tar, no checksums: those come free here. The plan is JSON: `video`,
`content` (w, h) and `clips`, a list of lists of frame numbers. Prints the CPU seconds without imports, and
the number of pictures.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def opencv(video, clips, content):
    import cv2

    cv2.setNumThreads(1)
    yield
    for numbers in clips:
        capture = cv2.VideoCapture(video, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        for number in numbers:
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            whole, picture = capture.read()
            assert whole, number
            small = cv2.resize(picture, content, interpolation=cv2.INTER_AREA)
            yield cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        capture.release()


def decord(video, clips, content):
    # By default it now and then gives up far from the end: "Unable to handle EOF".
    os.environ["DECORD_EOF_RETRY_MAX"] = "1000000"
    import decord
    import simplejpeg

    yield
    for numbers in clips:
        reader = decord.VideoReader(video, width=content[0], height=content[1], num_threads=1)
        for picture in reader.get_batch(numbers).asnumpy():
            yield simplejpeg.encode_jpeg(picture, quality=90, colorspace="RGB", colorsubsampling="420")


def torchcodec(video, clips, content):
    import numpy
    import simplejpeg
    import torch
    from torchcodec import transforms
    from torchcodec.decoders import VideoDecoder

    torch.set_num_threads(1)
    yield
    for numbers in clips:
        decoder = VideoDecoder(
            video,
            num_ffmpeg_threads=1,
            dimension_order="NHWC",
            seek_mode="approximate",
            transforms=[transforms.Resize((content[1], content[0]))],
        )
        for picture in decoder.get_frames_at(numbers).data.numpy():
            yield simplejpeg.encode_jpeg(
                numpy.ascontiguousarray(picture), quality=90, colorspace="RGB", colorsubsampling="420"
            )


PEERS = {"opencv": opencv, "decord": decord, "torchcodec": torchcodec}


def main():
    plan = json.loads(Path(sys.argv[2]).read_text())
    pictures = PEERS[sys.argv[1]](plan["video"], plan["clips"], tuple(plan["content"]))
    next(pictures)  # imports
    started_s = time.process_time()
    count = sum(len(picture) > 0 for picture in pictures)
    print(json.dumps({"cpu_s": time.process_time() - started_s, "pictures": count}))
    sys.stdout.flush()
    os._exit(0)  # some decoders crash while the interpreter takes them down


if __name__ == "__main__":
    main()
