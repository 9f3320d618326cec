"""What shops call their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rushes.annotations.rows import words
from rushes.recipe.columns import PICTURES

HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": (
        *("name", "title", "product_name", "product_title", "product", "caption", "text"),
        *(
            "titel",
            "bezeichnung",
            "artikelbezeichnung",
            "produktbezeichnung",
            "produktname",
            "artikelname",
            "produkt",
        ),
        *("titre", "nom", "nom_du_produit", "titulo", "título", "nombre", "nome", "titolo", "producto"),
        *("description", "beschreibung"),
    ),
    "picture": (
        *PICTURES,
        *(
            "picture",
            "photo",
            "img",
            "image_file",
            "image_url",
            "bild",
            "bilddatei",
            "bildpfad",
            "bild_url",
            "foto",
        ),
        *("imagen", "imagem", "immagine"),
    ),
    "label": (
        *("object_type", "type", "category", "product_type", "class"),
        *("warengruppe", "produkttyp", "artikelart", "kategorie", "typ", "art"),
        *("catégorie", "categorie", "categoría", "categoria", "tipo"),
    ),
    "group": (
        *("group", "family", "model", "parent_id", "item_group_id"),
        *(
            "produktfamilie",
            "familie",
            "modell",
            "famille",
            "modèle",
            "modele",
            "familia",
            "modelo",
            "famiglia",
        ),
    ),
    "side": ("side", "split"),
    "style": ("style", "stil", "estilo", "stile"),
    "color": ("color", "colour", "farbe", "couleur", "colore", "cor"),
    "material": ("material", "werkstoff", "matériau", "materiau", "matière", "matiere", "materiale"),
    "width": ("width", "breite", "largeur", "ancho", "largura", "larghezza"),
    "depth": ("depth", "tiefe", "profondeur", "fondo", "profundidad", "profundidade", "profondità"),
    "height": ("height", "höhe", "hoehe", "hauteur", "alto", "altura", "altezza"),
}
"""What a column says -> what it is called, the likeliest first, in small letters with ``_`` between words."""

ATTRIBUTES: Final = ("style", "color", "material")
SIZES: Final = ("width", "depth", "height")


def named(header: Sequence[str], says: str) -> str | None:
    """The column that is called as one that says this usually is, whatever its capitals.

    >>> named(["Artikel-Nr", "Product Title", "Farbe"], "color"), named(["Product Title"], "name")
    ('Farbe', 'Product Title')
    """
    by_name = {"_".join(words(column)): column for column in reversed(header)}
    return next((by_name[name] for name in HEADERS[says] if name in by_name), None)


def begun(header: Sequence[str], says: str) -> str | None:
    """The first column whose name begins with such a word, as ``width_cm`` does."""
    return next((column for column in header if (words(column) or ("",))[0] in HEADERS[says]), None)
