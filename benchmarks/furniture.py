"""A real catalogue without a network of its own: two Debian packages as tables of products with pictures.

    python benchmarks/furniture.py --out data [--deb PATH ...] [--views 4] [--side 128] [--limit N] [--json]

`sweethome3d-furniture` gives `OUT/furniture/products.csv`: each product with its icon, views that are rendered from
its model, names in English and 20 languages, sizes in cm, creator and licence. `tuxpaint-stamps-default` gives
`OUT/stamps/products.csv`, pictures of anything, as the other domain. Both are read by `source: {kind: table}`.
Without --deb the packages come by `apt-get download`. Licences: CC0 or CC-BY 3.0 by model, named in each row; GPL-2 for
the stamps. Keep the columns creator and licence wherever a picture is shown.
"""

from __future__ import annotations

import argparse
import base64
import io
import lzma
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from furniture_views import fitted, read_member, read_model, view
from report import Figure, at_least, at_most, emit

from rushes.annotations.rows import write_rows
from rushes.media.image import encode_jpeg

PACKAGES = ("sweethome3d-furniture", "tuxpaint-stamps-default")
PRODUCTS, STAMPS = 820, 961
CATALOG = "PluginFurnitureCatalog"
AZIMUTHS = (-35.0, 35.0, 145.0, 235.0, 0.0, 90.0, 180.0, 270.0)
ELEVATION = 22.0
_AR_MAGIC, _AR_HEADER = b"!<arch>\n", 60


# --- packages -----------------------------------------------------------------------------------------------


def unpack(deb: Path, folder: Path) -> None:
    """Files of a Debian package: an ar archive with a tar in it."""
    with deb.open("rb") as file:
        if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise SystemExit(f"{deb}: not a Debian package")
        while header := file.read(_AR_HEADER):
            name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
            if name.startswith("data.tar"):
                with tarfile.open(fileobj=io.BytesIO(_plain(name, file.read(size)))) as tar:
                    tar.extractall(folder, filter="data")
                return
            file.seek(size + size % 2, io.SEEK_CUR)
    raise SystemExit(f"{deb}: no data in it")


def _plain(name: str, data: bytes) -> bytes:
    if name.endswith(".xz"):
        return lzma.decompress(data)
    if name.endswith((".tar", ".gz")):
        return data
    raise SystemExit(f"{name}: unpack it with dpkg-deb -x, and pack the files as a .tar.xz")


def packages(given: Sequence[Path], folder: Path) -> list[Path]:
    """The packages, brought where none is given."""
    if given:
        return list(given)
    folder.mkdir()
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.glob("*.deb"))


# --- furniture ----------------------------------------------------------------------------------------------


def properties(text: str) -> dict[str, str]:
    """Keys and values of a Java properties file."""
    joined = re.sub(r"\\\r?\n\s*", "", text)
    found = {}
    for line in joined.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith(("#", "!")):
            found[key.strip()] = re.sub(
                r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), value.strip()
            )
    return found


def catalogues(archive: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    """Language -> what the catalogue says in it; English under ``""``."""
    names = [name for name in archive.namelist() if re.fullmatch(rf"{CATALOG}(_\w+)?\.properties", name)]
    return {
        name.removeprefix(CATALOG).removesuffix(".properties").removeprefix("_"): properties(
            read_member(archive, name).decode("latin-1")
        )
        for name in names
    }


def furniture(
    sources: Path, out: Path, views: int, side: int, limit: int | None
) -> tuple[list[str], int, float]:
    """Write the table of furniture; faults, rows, and CPU seconds of views."""
    rows: list[dict[str, str]] = []
    faults: list[str] = []
    spent_s = 0.0
    for path in sorted(sources.rglob("*.sh3f")):
        with zipfile.ZipFile(path) as archive:
            told = catalogues(archive)
            licence = told[""].get("license", "").split("©")[0].strip() or "see the package"
            numbers = sorted({int(key.partition("#")[2]) for key in told[""] if key.startswith("id#")})
            for number in numbers:
                if limit is not None and len(rows) == limit:
                    break
                key = f"{path.stem}-{number:04d}"
                row = _row(told, number, key, licence)
                icon = told[""][f"icon#{number}"].lstrip("/")
                (out / row["image_path"]).parent.mkdir(parents=True, exist_ok=True)
                (out / row["image_path"]).write_bytes(read_member(archive, icon))
                began = time.process_time()
                try:
                    pictures = list(_views(archive, told[""], number, views, side))
                except (KeyError, ValueError, IndexError) as error:
                    faults.append(f"{key}: no views: {error}")
                    pictures = []
                spent_s += time.process_time() - began
                names = [f"views/{key}-{place}.jpg" for place in range(len(pictures))]
                for name, picture in zip(names, pictures, strict=True):
                    (out / name).parent.mkdir(exist_ok=True)
                    (out / name).write_bytes(encode_jpeg(picture, 92))
                rows.append(row | {"views": "|".join(names)})
    write_table(out / "products.csv", rows)
    return faults, len(rows), spent_s


def _row(told: Mapping[str, Mapping[str, str]], number: int, key: str, licence: str) -> dict[str, str]:
    english = told[""]
    row = {
        "id": english[f"id#{number}"],
        "name": english[f"name#{number}"],
        "image_path": f"icons/{key}.png",
        "object_type": english.get(f"category#{number}", ""),
        "tags": english.get(f"tags#{number}", ""),
        **{f"{side}_cm": english.get(f"{side}#{number}", "") for side in ("width", "depth", "height")},
        "creator": english.get(f"creator#{number}", ""),
        "licence": licence,
    }
    names = {language: told[language].get(f"name#{number}", "") for language in sorted(told)}
    return row | {
        f"name_{language.lower()}": name for language, name in names.items() if language not in ("", "en_US")
    }


def _views(
    archive: zipfile.ZipFile, told: Mapping[str, str], number: int, views: int, side: int
) -> Iterator[np.ndarray]:
    model = told[f"model#{number}"].lstrip("/")
    rotation = [float(value) for value in told.get(f"modelRotation#{number}", "").split()] or None
    width, depth, height = (float(told[f"{name}#{number}"]) for name in ("width", "depth", "height"))
    points = fitted(
        read_model(archive, model, np.random.default_rng(number)), rotation, (width, depth, height)
    )
    for azimuth in AZIMUTHS[:views]:
        yield view(points, azimuth, ELEVATION, side)


# --- stamps -------------------------------------------------------------------------------------------------


def stamps(sources: Path, out: Path, side: int) -> tuple[list[str], int]:
    """Write the table of stamps; faults and rows."""
    root = next(sources.rglob("tuxpaint/stamps"), sources)
    of: dict[Path, Path] = {
        path.with_suffix(""): path for suffix in ("svg", "png") for path in root.rglob(f"*.{suffix}")
    }
    drawn = dict(_drawn([path for path in of.values() if path.suffix == ".svg"], side))
    rows, faults = [], []
    for stem, path in sorted(of.items()):
        name = stem.relative_to(root).as_posix()
        of_both = stem.with_name(stem.name.removesuffix("_mirror"))
        words = words_of(of_both.with_suffix(".txt"))
        if (data := drawn.get(path) if path.suffix == ".svg" else path.read_bytes()) is None:
            faults.append(
                f"{name}: an SVG, and no browser to draw it: pip install playwright, and a chromium"
            )
            continue
        if "" not in words:
            faults.append(f"{name}: no words, so nothing can be asked of it")
        target = out / f"pictures/{name.replace('/', '-')}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        kind = "/".join(name.split("/")[:2]) if name.count("/") > 1 else name.split("/")[0]
        rows.append(
            {
                "id": name,
                "name": words.get("", ""),
                "image_path": f"pictures/{target.name}",
                "object_type": kind,
                "group": of_both.relative_to(root).as_posix(),
                "licence": "GPL-2",
                **{
                    f"name_{language}": words.get(language, "")
                    for language in ("de", "es", "fr", "it", "ja", "nl", "sv")
                },
            }
        )
    write_table(out / "products.csv", rows)
    return faults, len(rows)


def words_of(path: Path) -> dict[str, str]:
    """Language -> what a stamp is called; English under ``""``."""
    if not path.is_file():
        return {}
    first, *lines = path.read_text("utf-8", errors="replace").splitlines() or [""]
    told = (line.partition(".utf8=") for line in lines)
    return {"": first.strip()} | {language: text.strip() for language, separator, text in told if separator}


def _drawn(paths: Sequence[Path], side: int) -> Iterator[tuple[Path, bytes]]:
    """PNGs of SVGs, as Chromium draws them; nothing where there is none."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return
    if chromium is None or not paths:
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": side, "height": side})
        for path in paths:
            text = base64.b64encode(path.read_bytes()).decode()
            style = f"width:{side}px;height:{side}px;object-fit:contain;display:block"
            page.set_content(
                f'<body style="margin:0"><img style="{style}" src="data:image/svg+xml;base64,{text}">'
            )
            page.wait_for_function("document.images[0].complete")
            yield path, page.screenshot(omit_background=True)
        browser.close()


# --- both ---------------------------------------------------------------------------------------------------


def write_table(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Rows of the same columns as CSV."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_rows(header, [[row.get(name, "") for name in header] for row in rows]))


def main() -> None:
    """Write both tables, and say what they have."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder for both tables")
    parser.add_argument(
        "--deb",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="the packages, where they are here already",
    )
    parser.add_argument(
        "--views", type=int, default=4, choices=range(len(AZIMUTHS) + 1), help="of each product"
    )
    parser.add_argument("--side", type=int, default=128, help="of a view, in pixels")
    parser.add_argument("--limit", type=int, help="products at most, for a try")
    parser.add_argument("--quick", action="store_true", help="thirty products")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    limit = 30 if asked.quick and asked.limit is None else asked.limit
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        sources = Path(place, "files")
        for deb in packages(asked.deb, Path(place, "debs")):
            unpack(deb, sources)
        faults, products, spent_s = furniture(
            sources, asked.out / "furniture", asked.views, asked.side, limit
        )
        stamp_faults, count = stamps(sources, asked.out / "stamps", asked.side)
        for licence in sources.rglob("doc/*/copyright"):
            table = "furniture" if licence.parent.name == PACKAGES[0] else "stamps"
            shutil.copy(licence, asked.out / table / "copyright.txt")
    figures = [
        at_least("products of furniture", products, min(PRODUCTS, limit or PRODUCTS)),
        at_most("of them without views", len(faults), 0),
        Figure("CPU seconds a product for its views", round(spent_s / max(products, 1), 3)),
        at_least("stamps", count, STAMPS),
        Figure("of them without words", sum("no words" in fault for fault in stamp_faults)),
        Figure("seconds in all", round(time.monotonic() - began_s)),
    ]
    if not asked.json:
        print(*faults, *stamp_faults, sep="\n")
    emit(figures, asked.json)


if __name__ == "__main__":
    main()
