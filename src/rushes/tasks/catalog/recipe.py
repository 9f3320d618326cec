"""The recipe of the catalog task: a table of products, pictures with words, and two encoders that meet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from rushes.recipe.clip import Clip
from rushes.recipe.columns import Columns
from rushes.recipe.contrastive import ContrastiveTrain
from rushes.recipe.labelling import Labelling
from rushes.recipe.near import NearDuplicates
from rushes.recipe.retrieval import EvaluateRetrieval
from rushes.recipe.sections import (
    NAMED,
    Count,
    File,
    Prepare,
    Recipe,
    Section,
    Share,
    Source,
    SplitBySides,
    form_of_split,
)
from rushes.recipe.shares import Shares
from rushes.recipe.signing import UNSIGNED
from rushes.tasks.catalog.preprocessing import ProductPreprocessing

Kind = Literal["table", "webdataset", "folder"]


class ProductSource(Source):
    """Where the products are.

    Attributes:
        kind: ``table``, a CSV or Parquet file with a folder of pictures or their URLs; ``webdataset``, tars with a
            picture and its text or JSON for each product; ``folder``, pictures with a .txt or .json of the same name.
        root: folder of the table and its pictures, or its URL; null takes the twin's.
        table: CSV or Parquet below ``root``; null takes the only one there.
        columns: what its columns are called.
        attributes: Parquet or CSV of ``rushes label``, joined by item id; null takes attributes as the table has them.
            What it leaves empty is not known, whatever the table says. Its content is signed, not its place.
        split: ``stratified`` deals groups out so that every type of object has its shares; ``shares`` by the hash of a
            group alone; ``column`` as the table says; or lists of families (``columns.group``) under
            train, val and test.
        sides: CSV of an earlier dataset (its ``sides.csv``), whose groups stay on their sides; null deals anew. Its
            content is signed as well.
        shares: of each side.
    """

    kind: Kind = "table"
    table: str | None = None
    columns: Columns = Columns()
    attributes: Annotated[File | None, UNSIGNED] = None
    split: Annotated[
        Annotated[Literal["stratified", "shares", "column"], Tag(NAMED)] | SplitBySides,
        Discriminator(form_of_split),
    ] = "stratified"
    sides: Annotated[File | None, UNSIGNED] = None
    shares: Shares = Shares(train=0.8, val=0.1, test=0.1, seed=42)


class ShopTwin(Section):
    """The drawn shop: rendered furniture with noisy titles, and a second domain beside it.

    Attributes:
        products: product families of the shop, each in some variants.
        other: items of the second domain, by which forgetting is measured.
        noise: share of titles whose words contradict the picture or lack a property, 0 to 1.
        picture_px: side of a picture, in pixels.
        seed: of everything that is drawn.
    """

    products: Annotated[int, Field(ge=20)] = 400
    other: Annotated[int, Field(ge=0)] = 200
    noise: Share = 0.2
    picture_px: Annotated[int, Field(ge=32, le=512)] = 96
    seed: int = 0


class PrepareProducts(Prepare):
    """From products to shards.

    Attributes:
        shard_samples: greatest number of samples of a shard.
        mini: shards of the training side that ``mini.json`` lists, for a quick try.
        near: what counts as a near-duplicate.
    """

    shard_bytes: Annotated[int, Field(ge=1_000_000, le=500_000_000)] = 500_000_000
    shard_samples: Annotated[int, Field(ge=1, le=1000)] = 1000
    mini: Count = 5
    near: NearDuplicates = NearDuplicates()


class CatalogRecipe(Recipe):
    """A whole job of the catalog task.

    Attributes:
        source: where the products are.
        label: what ``rushes label`` asks a language model about the products.
        probe: products of another domain, by which is measured what training made the model forget; null takes the
            twin's other domain where the shop is drawn, and measures none elsewhere.
        twin: drawn products, for as long as ``source.root`` is null.
        preprocessing: how a product becomes a picture and words; trained, measured and served with the same one.
        prepare: near-duplicates, and how large a shard may be.
        model: which encoders, and what of them learns.
        train: how to train.
        evaluate: what is measured, on what.
    """

    task: Literal["catalog"] = "catalog"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "catalog"
    source: ProductSource = ProductSource()
    label: Annotated[Labelling, UNSIGNED] = Labelling()
    probe: ProductSource | None = None
    twin: ShopTwin = ShopTwin()
    preprocessing: ProductPreprocessing = ProductPreprocessing()
    prepare: PrepareProducts = PrepareProducts()
    model: Clip = Clip()
    train: ContrastiveTrain = ContrastiveTrain()
    evaluate: EvaluateRetrieval = EvaluateRetrieval()


RECIPE = CatalogRecipe
