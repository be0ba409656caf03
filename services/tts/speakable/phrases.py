"""The few words that stand for what is written in signs, for the languages that have rules here.

In other languages digits and signs are left to the engine, which may know them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    locale: str
    """For grouping and decimal marks, months and currencies."""
    link: str
    percent: str
    minus: str
    point: str
    until: str
    """Between the ends of a range."""
    signs: dict[str, str]
    """What a sign is called."""
    units: dict[str, str]
    """What follows a number."""


_UNITS_EN = {
    "°C": "degrees Celsius", "°F": "degrees Fahrenheit", "km/h": "kilometres per hour", "m/s": "metres per second",
    "mg/l": "milligrams per litre", "µg/l": "micrograms per litre", "km": "kilometres", "cm": "centimetres",
    "mm": "millimetres", "kg": "kilograms", "mg": "milligrams", "µg": "micrograms", "ml": "millilitres",
    "kW": "kilowatts", "kWh": "kilowatt hours", "MW": "megawatts", "Hz": "hertz", "kHz": "kilohertz",
    "MB": "megabytes", "GB": "gigabytes", "ms": "milliseconds", "m³": "cubic metres", "m²": "square metres",
    "°": "degrees",
}  # fmt: skip
PHRASES = {
    "en": Phrases("en", "the link", "percent", "minus", "point", "to",
                  {"&": "and", "+": "plus", "=": "equals", "@": "at", "±": "plus or minus", "×": "times"}, _UNITS_EN),
    "es": Phrases("es", "el enlace", "por ciento", "menos", "coma", "a",
                  {"&": "y", "+": "más", "=": "igual a", "@": "arroba", "±": "más o menos", "×": "por"},
                  {"°C": "grados Celsius", "km/h": "kilómetros por hora", "km": "kilómetros", "cm": "centímetros",
                   "mm": "milímetros", "kg": "kilogramos", "ml": "mililitros", "°": "grados"}),
    "fr": Phrases("fr", "le lien", "pour cent", "moins", "virgule", "à",
                  {"&": "et", "+": "plus", "=": "égale", "@": "arobase", "±": "plus ou moins", "×": "fois"},
                  {"°C": "degrés Celsius", "km/h": "kilomètres par heure", "km": "kilomètres", "cm": "centimètres",
                   "mm": "millimètres", "kg": "kilogrammes", "ml": "millilitres", "°": "degrés"}),
    "de": Phrases("de", "der Link", "Prozent", "minus", "Komma", "bis",
                  {"&": "und", "+": "plus", "=": "gleich", "@": "at", "±": "plus minus", "×": "mal"},
                  {"°C": "Grad Celsius", "km/h": "Kilometer pro Stunde", "km": "Kilometer", "cm": "Zentimeter",
                   "mm": "Millimeter", "kg": "Kilogramm", "ml": "Milliliter", "°": "Grad"}),
}  # fmt: skip


def phrases_of(language: str) -> Phrases | None:
    """Those of a BCP-47 language; None where there are no rules."""
    return PHRASES.get(language[:2].lower()) if language[2:3] in ("", "-", "_") else None
