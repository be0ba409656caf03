"""Says units as they are called, in the number that their language wants: "12 m" is twelve metres, "1 m³/h" one cubic
metre per hour."""

import re
from collections.abc import Callable
from decimal import Decimal

from babel.units import format_unit

from services.tts.speakable.phrases import Phrases

UNITS = {
    "m": "length-meter", "km": "length-kilometer", "cm": "length-centimeter", "mm": "length-millimeter",
    "m²": "area-square-meter", "km²": "area-square-kilometer", "ha": "area-hectare",
    "m³": "volume-cubic-meter", "l": "volume-liter", "L": "volume-liter", "ml": "volume-milliliter",
    "Ml": "volume-megaliter", "g": "mass-gram", "kg": "mass-kilogram", "mg": "mass-milligram", "µg": "mass-microgram",
    "μg": "mass-microgram", "t": "mass-tonne", "°C": "temperature-celsius", "°F": "temperature-fahrenheit",
    "°": "angle-degree", "W": "power-watt", "kW": "power-kilowatt", "MW": "power-megawatt",
    "kWh": "energy-kilowatt-hour", "V": "electric-volt", "Hz": "frequency-hertz", "kHz": "frequency-kilohertz",
    "MHz": "frequency-megahertz", "Pa": "pressure-pascal", "kPa": "pressure-kilopascal",
    "kB": "digital-kilobyte", "MB": "digital-megabyte", "GB": "digital-gigabyte", "TB": "digital-terabyte",
    "ms": "duration-millisecond", "s": "duration-second", "min": "duration-minute", "h": "duration-hour",
    "d": "duration-day", "hrs": "duration-hour", "hr": "duration-hour", "yrs": "duration-year", "yr": "duration-year",
    "mins": "duration-minute", "secs": "duration-second", "sec": "duration-second",
    "ft": "length-foot", "mi": "length-mile", "yd": "length-yard", "lb": "mass-pound", "lbs": "mass-pound",
    "oz": "mass-ounce", "mph": "speed-mile-per-hour",
    "µm": "length-micrometer", "μm": "length-micrometer", "nm": "length-nanometer", "MPa": "pressure-megapascal",
    "hPa": "pressure-hectopascal", "mbar": "pressure-millibar", "GHz": "frequency-gigahertz", "GW": "power-gigawatt",
    "A": "electric-ampere", "mA": "electric-milliampere", "kbit": "digital-kilobit", "Mbit": "digital-megabit",
    "Gbit": "digital-gigabit", "ppm": "concentr-permillion", "m/s²": "acceleration-meter-per-square-second",
}  # fmt: skip
"""As they are written, and by their names in Unicode's CLDR."""
SPACED = {"s", "h", "d", "t", "A", "mi", "sec"}
"""Those that are units only behind a space: "the 1990s", "3d"."""
# Two letters with a slash may be anything but metres per second.
_COMPOUND = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True) if len(unit) > 1)
_ALONE = re.compile(
    rf"(?<![\w/])(?:(°[CF]|m/s²|[ck]?m[²³](?!/))|({_COMPOUND}|m(?=/s\b))/({_COMPOUND}|[slhd]))(?![\w/])"
)
_DIGITS = re.compile(r"^[\d.,\s]*\d[\s\u00a0\u202f]*")


class UnitWriter:
    """For one language."""

    def __init__(self, phrases: Phrases, number: str) -> None:
        """`number` is the pattern of a number, which stays as it is."""
        self._minus = phrases.minus
        self._per = phrases.per
        self._one = phrases.one
        self._point = phrases.point_mark
        # The names of the units of American English are spelled otherwise and sound the same.
        self._locale = {"en": "en_GB"}.get(phrases.locale, phrases.locale)
        close = "|".join(re.escape(unit) for unit in sorted(set(UNITS) - SPACED, key=len, reverse=True))
        spaced, every = "|".join(sorted(SPACED)), "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<!\w)([-−]?)({number})(?:\s?({close})|\s({spaced}))(?:/({every}))?(?![\w/])")

    def write(self, text: str, cardinal: Callable[[str], str]) -> str:
        text = self._pattern.sub(lambda match: self._said(match, cardinal), text)
        return self.write_alone(text)

    def write_alone(self, text: str) -> str:
        """Units without a number: "in mg/l"."""
        return _ALONE.sub(self._alone, text)

    def one_of(self, unit: str) -> str:
        return self._name(unit, Decimal(1))

    def _alone(self, match: re.Match[str]) -> str:
        # "per m³" is per one.
        many = Decimal(1 if match.string[: match.start()].endswith(f"{self._per} ") else 2)
        name = self._name(match[1] or match[2], many)
        return f"{name} {self._per} {self.one_of(match[3])}" if match[3] else name

    def _said(self, match: re.Match[str], cardinal: Callable[[str], str]) -> str:
        minus, number, close, spaced, counted_in = match.groups()
        amount = Decimal("".join("." if c == self._point else c for c in number if c.isdigit() or c == self._point))
        name = self._name(close or spaced, amount)
        said = [self._minus] if minus else []
        said += [self._one(name) if amount == 1 else cardinal(number), name]
        if counted_in:
            said += [self._per, self._name(counted_in, Decimal(1))]
        return " ".join(said)

    def _name(self, unit: str, amount: Decimal) -> str:
        return _DIGITS.sub("", format_unit(amount, UNITS[unit], length="long", locale=self._locale))
