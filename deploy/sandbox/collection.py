"""The made-up collection of the sandbox: six kinds of object from seven museums.

Pictures come from `drawings`: at most 150 different ones per category, which larger collections
repeat. Of every 300 items eight fail, each in another way, as in a real harvest: dead or forbidden
links, a page instead of a picture, half a picture. On request, more items follow whose records do
not say what the picture shows.
"""

from dataclasses import dataclass, replace
from functools import partial
from random import Random

from deploy.sandbox.catalogue import (
    FIRST_UPDATE,
    UPDATE_SPAN,
    Catalogue,
    EdmType,
    Item,
    LangMap,
)
from deploy.sandbox.drawings.picture import draw_picture
from deploy.sandbox.faults import Fault

DISTINCT_PICTURES = 150  # a category
CONCEPT = "http://data.europeana.eu/concept/"
CYCLE = 300  # items after which the exceptions below repeat
DEAD = Fault("status", status=404)
BROKEN = {13: DEAD, 68: DEAD, 123: DEAD, 178: DEAD, 288: DEAD}
BROKEN |= {233: Fault("status", status=403), 101: Fault("html"), 206: Fault("truncated")}
TEXTS = {55, 150}
NOT_SHOWN = {40, 197}  # no edmIsShownBy
NO_THUMBNAIL = {77, 13}
SECOND_CONCEPT = {22: 54, 81: 47, 140: 31, 259: 43}
MOVED, DELETED = 5, 9
MERGED_CONCEPTS = {f"{CONCEPT}30": f"{CONCEPT}31", f"{CONCEPT}28": f"{CONCEPT}30"}
EXACT_MATCHES = {
    "http://vocab.getty.edu/aat/300028094": f"{CONCEPT}43",
    "http://vocab.getty.edu/aat/300033618": f"{CONCEPT}47",
}


@dataclass(frozen=True)
class Category:
    """The concept of one kind of object, and names of such objects in three languages."""

    concept: str
    objects: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Museum:
    """One data provider: name, dataset, host of its pictures, usual rights."""

    name: str
    dataset: str
    host: str
    rights: tuple[str, ...]


def _category(number: int, *objects: tuple[str, str, str]) -> Category:
    return Category(f"{CONCEPT}{number}", objects)


CATEGORIES = {
    "building": _category(
        29,
        ("Town house", "Stadthaus", "Maison de ville"),
        ("Town hall", "Rathaus", "Hôtel de ville"),
        ("School", "Schule", "École"),
    ),
    "ceramics": _category(
        31,
        ("Vase", "Vase", "Vase"),
        ("Jug", "Krug", "Cruche"),
        ("Bowl", "Schale", "Bol"),
    ),
    "jewellery": _category(
        41,
        ("Piece of jewellery", "Schmuckstück", "Bijou"),
        ("Gift of a bride", "Brautgeschenk", "Cadeau de mariée"),
    ),
    "map": _category(
        43,
        ("Map of the coast", "Karte der Küste", "Carte de la côte"),
        ("Road map", "Straßenkarte", "Carte routière"),
    ),
    "painting": _category(
        47,
        ("Oil on canvas", "Öl auf Leinwand", "Huile sur toile"),
        ("Oil on wood", "Öl auf Holz", "Huile sur bois"),
    ),
    "tapestry": _category(
        54,
        ("Wall hanging", "Wandbehang", "Tenture"),
        ("Woven cover", "Gewebte Decke", "Couverture tissée"),
    ),
}
CREATIVE_COMMONS = "http://creativecommons.org/"
STATEMENTS = "http://rightsstatements.org/vocab/"
PUBLIC_DOMAIN = f"{CREATIVE_COMMONS}publicdomain/mark/1.0/"
ZERO = f"{CREATIVE_COMMONS}publicdomain/zero/1.0/"
BY = f"{CREATIVE_COMMONS}licenses/by/4.0/"
BY_SA = f"{CREATIVE_COMMONS}licenses/by-sa/3.0/de/"
BY_NC_ND = f"{CREATIVE_COMMONS}licenses/by-nc-nd/4.0/"
NO_COMMERCE = f"{STATEMENTS}NoC-NC/1.0/"
IN_COPYRIGHT = f"{STATEMENTS}InC/1.0/"
MUSEUMS = (
    Museum("Lakeside Museum", "91001", "media.lakeside.example", (ZERO,)),
    Museum("Stadtmuseum Nordtor", "91002", "bild.nordtor.example", (BY_SA,)),
    Museum("Musée du Vieux Port", "91003", "images.vieuxport.example", (BY_NC_ND, BY)),
    Museum("House of Crafts", "91004", "cdn.crafts.example", (PUBLIC_DOMAIN,)),
    Museum("Museo della Valle", "91005", "foto.valle.example", (IN_COPYRIGHT,)),
    Museum("Letterenhuis", "91006", "iiif.letteren.example", (NO_COMMERCE,)),
    Museum("Muzeum Miasta", "91007", "skany.miasto.example", (PUBLIC_DOMAIN, BY)),
)
SHARES = (26, 20, 16, 14, 10, 8, 6)  # per cent of the items; one host has most, as in real harvests
UNTITLED: LangMap = {"en": ["Untitled"]}
CENTURIES = ((16, "XVI"), (17, "XVII"), (18, "XVIII"), (19, "XIX"))


def draw_collection(*, items: int = 900, undescribed: int = 0, seed: int = 1) -> Catalogue:
    """A catalogue of made-up items; the first n items are the same for any value of `items`.

    Args:
        undescribed: how many items follow that have no concept, and a title that says nothing.
    """
    rng = Random(seed)
    titles = {name: _titles(category) for name, category in CATEGORIES.items()}
    names = list(CATEGORIES)
    drawn = [
        _draw_item(index, name, rng.choice(titles[name]), rng)
        for index, name in ((index, names[index % len(names)]) for index in range(items))
    ]
    others = (
        _draw_item(index, names[index % len(names)], UNTITLED, rng)
        for index in range(items, items + undescribed)
    )
    return Catalogue(
        items=drawn + [_undescribed(item) for item in others],
        read=partial(_read_picture, seed),
        moved={_former_id(item, "old"): item.id for item in drawn[MOVED::CYCLE]},
        deleted=frozenset(_former_id(item, "withdrawn") for item in drawn[DELETED::CYCLE]),
        broken={
            item.id: fault for position, fault in BROKEN.items() for item in drawn[position::CYCLE]
        },
        merged_concepts=MERGED_CONCEPTS,
        exact_matches=EXACT_MATCHES,
    )


def _draw_item(index: int, name: str, title: LangMap, rng: Random) -> Item:
    museum = rng.choices(MUSEUMS, SHARES)[0]
    position = index % CYCLE
    kind: EdmType = "TEXT" if position in TEXTS else "IMAGE"
    concepts = [CATEGORIES[name].concept]
    if position in SECOND_CONCEPT:
        concepts.append(f"{CONCEPT}{SECOND_CONCEPT[position]}")
    return Item(
        id=f"/{museum.dataset}/{name}_{index:06d}",
        type=kind,
        title=title,
        data_provider=museum.name,
        rights=rng.choice(museum.rights),
        concepts=concepts,
        host=museum.host,
        picture=f"{name}/{index // len(CATEGORIES) % DISTINCT_PICTURES}",
        updated=FIRST_UPDATE + rng.randrange(UPDATE_SPAN),
        shown_by=position not in NOT_SHOWN,
        thumbnail=position not in NO_THUMBNAIL,
    )


def _undescribed(item: Item) -> Item:
    _, dataset, local = item.id.split("/")
    number = local.rsplit("_", 1)[1]
    return replace(item, id=f"/{dataset}/object_{number}", concepts=(), type="IMAGE")


def _titles(category: Category) -> list[LangMap]:
    """All titles of a category, made once and shared by its items."""
    return [
        {
            "en": [f"{english}, {century}th century"],
            "de": [f"{german}, {century}. Jahrhundert"],
            "fr": [f"{french}, {roman}e siècle"],
        }
        for english, german, french in category.objects
        for century, roman in CENTURIES
    ]


def _former_id(item: Item, prefix: str) -> str:
    _, dataset, local = item.id.split("/")
    return f"/{dataset}/{prefix}_{local}"


def _read_picture(seed: int, picture: str) -> bytes:
    name, number = picture.split("/")
    return draw_picture(name, int(number), seed)
