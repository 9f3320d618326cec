"""A small session in OpenPack's layout, the published sample where it is at hand, and footage beside a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rushes.tasks.operations.sources.openpack.layout import (
    OperationRow,
    frame_name,
    frames_dir,
    operations_csv,
    parse_time,
    video_file,
    video_sidecar,
    write_operations,
    write_video_sidecar,
)

SAMPLE = Path(__file__).parents[4].parent / "shared" / "data" / "openpack-sample"
ORIGIN_US = parse_time("2022-03-29T14:25:11.030+09:00")

# (id, name, start and end in seconds after the first frame): a gap of 2 s, and ten seconds of footage.
WORK = [
    (100, "Picking", 0.5, 3.0),
    (200, "Relocate Item Label", 3.0, 4.25),
    (300, "Assemble Box", 6.25, 8.000001),
    (8100, "Null", 8.000001, 9.5),
]

WriteSession = Callable[..., Path]


def _operation_rows(
    user: str, session: str, work: Sequence[tuple[int, str, float, float]] = WORK
) -> list[OperationRow]:
    return [
        OperationRow(
            uuid=f"op:{user}-{session}-{index}",
            user=user,
            session=session,
            box=1,
            id=operation_id,
            operation=name,
            start_us=ORIGIN_US + round(start_s * 1e6),
            end_us=ORIGIN_US + round(end_s * 1e6),
            actions=("act:a", "act:b") if index else (),
        )
        for index, (operation_id, name, start_s, end_s) in enumerate(work)
    ]


@pytest.fixture
def rows() -> list[OperationRow]:
    """Four operations of U0101 S0100; 2 s between the second and the third."""
    return _operation_rows("U0101", "S0100")


@pytest.fixture
def write_session(tmp_path: Path) -> WriteSession:
    """Write a session with 10 s of (empty) frames at 15 Hz and a (never decoded) video; gives the root."""

    def write(user: str = "U0101", session: str = "S0100", work=WORK, media=("frames", "video")) -> Path:
        root = tmp_path / "raw"
        write_operations(operations_csv(root, user, session), _operation_rows(user, session, work))
        if "frames" in media:
            for k in range(150):
                frame = frames_dir(root, user, session) / frame_name(ORIGIN_US // 1000 + k * 1000 // 15)
                frame.parent.mkdir(parents=True, exist_ok=True)
                frame.write_bytes(b"jpeg" * (k + 1))
        if "video" in media:
            video_file(root, user, session).parent.mkdir(parents=True, exist_ok=True)
            video_file(root, user, session).write_bytes(bytes(range(256)) * 1024)
            write_video_sidecar(video_sidecar(root, user, session), ORIGIN_US)
        return root

    return write


@pytest.fixture(scope="session")
def openpack_sample() -> Path:
    if not SAMPLE.is_dir():
        pytest.skip(f"the OpenPack sample is not at hand: {SAMPLE} is missing")
    return SAMPLE


VIDEO_S = 4.0
WriteTable = Callable[..., Path]


@pytest.fixture(scope="session")
def video_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of noise, 10 frames a second."""
    path, rate = tmp_path_factory.mktemp("video") / "noise.mp4", 10
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(VIDEO_S * rate)):
            picture = rng.integers(0, 255, (48, 64), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture
def write_table(tmp_path: Path, video_bytes: bytes) -> WriteTable:
    """Write videos of `VIDEO_S` and files of text below a root; gives the root."""

    def write(*videos: str, folder: str = "footage", **texts: str) -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        for number, name in enumerate(videos):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(video_bytes + number.to_bytes(2, "big"))  # no two are copies
        for name, text in texts.items():
            (root / f"{name}.csv").write_text(text, encoding="utf-8")
        return root

    return write
