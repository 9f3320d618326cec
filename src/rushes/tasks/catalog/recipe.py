"""The recipe of the catalog task: a table of products, pictures with words, and two encoders that meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rushes.recipe.clip import Clip
from rushes.recipe.contrastive import ContrastiveTrain
from rushes.recipe.labelling import Labelling
from rushes.recipe.sections import (
    NAMED,
    Count,
    Evaluate,
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
from rushes.recipe.signing import UNSIGNED, Signs
from rushes.tasks.catalog.preprocessing import ProductPreprocessing

Kind = Literal["table", "webdataset", "folder"]
Column = Annotated[str, Field(min_length=1)]


class Columns(Section):
    """What the columns of the table are called.

    Attributes:
        id: of the shop's own number of a product; null where there is none.
        name: of the title.
        picture: of the path or URL of the picture; null takes whichever of image_path, local_path, image, filename,
            file_name, path and url is there.
        views: of further pictures, separated by ``|``; they are asked with, and not found.
        group: of whatever must not stand on two sides: a product family.
        side: of train, val or test, for ``split: column``.
        label: of the type of object, by which sides are balanced and figures are told apart.
        size: of width, depth and height in cm.
        languages: language -> column of the title in it.
        fields: attribute -> column that has it, such as ``color: Farbe``; any other column is an attribute of its own
            name.
    """

    id: Column | None = "id"
    name: Column = "name"
    picture: Column | None = None
    views: Column | None = "views"
    group: Column | None = "group"
    side: Column | None = "side"
    label: Column = "object_type"
    size: tuple[Column, ...] = ()
    languages: Mapping[str, Column] = Field(default_factory=dict)
    fields: Mapping[str, Column] = Field(default_factory=dict)


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


class NearDuplicates(Section):
    """Which pictures are near-duplicates, so that they stand on one side.

    Attributes:
        same_bits: of 256: pictures whose difference hashes differ in at most so many bits belong together.
        similar_bits: of 256: likewise where also size, name or colour agree.
        namesakes: items that may share a name for it to join them whatever they look like: a name that more share is
            that of a type of product.
        least_variance: of brightness (0 to 255, squared); a picture below it is too uniform for its hash to tell
            anything.
    """

    same_bits: Annotated[int, Field(ge=0, le=64)] = 16
    similar_bits: Annotated[int, Field(ge=0, le=96)] = 32
    namesakes: Annotated[int, Field(ge=0)] = 8
    least_variance: Annotated[float, Field(ge=0.0)] = 25.0

    @model_validator(mode="after")
    def _is_wider(self) -> NearDuplicates:
        if self.similar_bits < self.same_bits:
            raise ValueError(f"similar_bits is {self.similar_bits}, less than same_bits, {self.same_bits}")
        return self


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


class EvaluateRetrieval(Evaluate):
    """What is measured, on what.

    Attributes:
        ks: depths of recall, precision and nDCG; the last one is the headline.
        gallery: ``side`` looks among the products of the side that is reported, ``all`` among those of every side.
        languages: titles in these are asked as well, see ``source.columns.languages``.
    """

    ks: Annotated[tuple[Count, ...], Field(min_length=1), Signs("evaluate")] = (1, 5, 10)
    gallery: Annotated[Literal["side", "all"], Signs("evaluate")] = "side"
    languages: tuple[str, ...] = ()


def always(gallery: int, ks: Sequence[int], about: str = "") -> str | None:
    """In words: which figures are 1 whatever a model answers, since all that is searched is found; None for none.

    >>> always(8, (1, 5, 10))
    '8 products are searched, so R@10 is always 1: set evaluate.ks, such as [1, 5]'

    Args:
        gallery: products that are searched.
        ks: depths of the figures.
        about: before the number, where that is an estimate.
    """
    if not (deep := [f"R@{k}" for k in sorted(ks) if k >= gallery]):
        return None
    rest = [k for k in sorted(ks) if k < gallery]
    searched = "1 product is" if gallery == 1 else f"{gallery:,} products are"
    cure = f"set evaluate.ks, such as {rest}" if rest else "measure on more"
    are = "is" if len(deep) == 1 else "are"
    return f"{about}{searched} searched, so {' and '.join(deep)} {are} always 1: {cure}"


class Pretraining(ContrastiveTrain):
    """How to teach a model that starts from nothing.

    Attributes:
        muon: learning rate of Muon on hidden matrices in units of ``learning_rate``.
    """

    muon: float = 3.0


PRETRAINING: Final = Pretraining(
    epochs=4,
    patience=None,
    batch_size=128,
    micro_batch=128,  # a tiny model has room for a batch at once, and nothing to compute twice
    learning_rate=2e-3,
    seed=0,
)
"""With Muon three epochs teach what eight did without. The same for every run, so that all share the base."""


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
