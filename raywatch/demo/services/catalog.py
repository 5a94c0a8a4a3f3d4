"""What the shop sells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """price: in cents."""

    sku: str
    name: str
    price: int


_NAMES = (
    "Enamel mug", "Desk lamp", "Wool blanket", "Paper notebook", "Fountain pen", "Cutting board", "Tea pot",
    "Wall clock", "Linen towel", "Brass hook", "Plant pot", "Bread knife", "Salt cellar", "Door mat",
    "Candle", "Book stand", "Coat rack", "Glass carafe", "Oak stool", "Picture frame", "Pepper mill",
    "Shoe brush", "Serving tray", "Umbrella",
)  # fmt: skip

PRODUCTS = {f"sk-{100 + n}": Product(f"sk-{100 + n}", name, 590 + 410 * n) for n, name in enumerate(_NAMES)}
"""By stock keeping unit."""
