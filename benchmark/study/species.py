"""Turns the names of classes into whether they are the study's kind of data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

SHARE = 0.9
"""So many of the classes must be species of the study: a few may be misspelt or added."""
_NAMES = """
abra aerodactyl alakazam arbok arcanine articuno beedrill bellsprout blastoise bulbasaur
butterfree caterpie chansey charizard charmander charmeleon clefable clefairy cloyster cubone
dewgong diglett ditto dodrio doduo dragonair dragonite dratini drowzee dugtrio eevee ekans
electabuzz electrode exeggcute exeggutor farfetchd fearow flareon gastly gengar geodude gloom
golbat goldeen golduck golem graveler grimer growlithe gyarados haunter hitmonchan hitmonlee
horsea hypno ivysaur jigglypuff jolteon jynx kabuto kabutops kadabra kakuna kangaskhan kingler
koffing krabby lapras lickitung machamp machoke machop magikarp magmar magnemite magneton mankey
marowak meowth metapod mew mewtwo moltres mrmime muk nidoking nidoqueen nidoranf nidoranm nidorina
nidorino ninetales oddish omanyte omastar onix paras parasect persian pidgeot pidgeotto pidgey
pikachu pinsir poliwag poliwhirl poliwrath ponyta porygon primeape psyduck raichu rapidash
raticate rattata rhydon rhyhorn sandshrew sandslash scyther seadra seaking seel shellder slowbro
slowpoke snorlax spearow squirtle starmie staryu tangela tauros tentacool tentacruel vaporeon
venomoth venonat venusaur victreebel vileplume voltorb vulpix wartortle weedle weepinbell weezing
wigglytuff zapdos zubat
"""
SPECIES = frozenset(_NAMES.split())
"""The 151 species that the study told apart, in small letters without anything between them."""


def is_studied(class_names: Iterable[str]) -> bool:
    """Whether images are of the study's kind, so that its accuracies may stand beside others.

    Args:
        class_names: Two or more; capitals, accents, spaces and punctuation do not matter.
    """
    known = [_letters(name) in SPECIES for name in class_names]
    return sum(known) >= SHARE * len(known)


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("♀", "f").replace("♂", "m"))
    return re.sub(r"[^a-z]", "", plain.lower())
