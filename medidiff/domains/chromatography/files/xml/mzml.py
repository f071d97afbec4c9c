"""mzML 1.x: its chromatograms, or the total ion current of its MS1 spectra where it has none.

    run > chromatogramList > chromatogram > binaryDataArray > binary

(Martens et al. 2011, Mol Cell Proteomics 10:R110.000133.)

Meaning stands in accession numbers of the PSI-MS and unit ontologies, never in names or positions: arrays
are little-endian, 32 or 64 bit, each for itself; the unit of time is read and never assumed; compression is
none or zlib, every other is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files.content import Budget, Content
from medidiff.domains.chromatography.files.units import label
from medidiff.domains.chromatography.files.xml.arrays import decode_array, length
from medidiff.domains.chromatography.files.xml.markup import Element, parse
from medidiff.errors import InputError
from medidiff.io.opening import naming

ROOT = frozenset({"mzML", "indexedmzML"})
_TIME, _INTENSITY = "MS:1000595", "MS:1000515"
_SIGNALS = (_INTENSITY, "MS:1000820", "MS:1000821", "MS:1000822")  # flow rate, pressure, temperature
_TYPES = {"MS:1000521": "<f4", "MS:1000523": "<f8", "MS:1000519": "<i4", "MS:1000522": "<i8"}
_NONE, _ZLIB = "MS:1000576", "MS:1000574"
_OTHER_COMPRESSION = {
    "MS:1002312": "MS-Numpress linear prediction",
    "MS:1002313": "MS-Numpress positive integer",
    "MS:1002314": "MS-Numpress short logged float",
    "MS:1002746": "MS-Numpress linear prediction with zlib",
    "MS:1002747": "MS-Numpress positive integer with zlib",
    "MS:1002748": "MS-Numpress short logged float with zlib",
    "MS:1003088": "truncation and zlib",
    "MS:1003089": "truncation, delta prediction and zlib",
    "MS:1003090": "truncation, linear prediction and zlib",
}
_UNITS_OF_TIME = {"UO:0000010": 1.0, "UO:0000031": 60.0, "UO:0000028": 1e-3}
_KINDS = {
    "MS:1000235": "total ion current",
    "MS:1000627": "selected ion current",
    "MS:1000628": "basepeak",
    "MS:1000810": "ion current",
    "MS:1000811": "electromagnetic radiation",
    "MS:1000812": "absorption",
    "MS:1000813": "emission",
    "MS:1001472": "selected ion monitoring",
    "MS:1001473": "selected reaction monitoring",
    "MS:1003019": "pressure",
    "MS:1003020": "flow rate",
}
_SELECTED, _TARGET = "MS:1000744", "MS:1000827"
_MS1, _LEVEL, _STARTED = "MS:1000579", "MS:1000511", "MS:1000016"

Terms = Mapping[str, Mapping[str, str]]
"""Accession -> attributes of the cvParam."""


class _Array(NamedTuple):
    terms: Terms
    values: NDArray[np.float64]


class _Reader:
    """Collects chromatograms and, for a file without any, time and summed intensity of MS1 spectra."""

    def __init__(self, content: Content, keep: bool) -> None:
        self.content, self.keep, self.origin = content, keep, content.origin
        self.groups: dict[str, Element] = {}
        self.run: dict[str, str] = {}
        self.traces: list[Chromatogram] = []
        self.empty = 0
        self.scans: list[tuple[float, float]] = []
        self.unreadable: InputError | None = None
        self.passing = Budget(int(content.limits.ratio * len(content.data)))  # spectra are summed, not kept

    def version(self, attributes: Mapping[str, str]) -> None:
        version = attributes.get("version", "")
        if not version.startswith("1."):
            fix = "Convert it again with a recent msconvert."
            raise _bad("mzML file", "mzML 1.x", f"a draft, version {label(version) or 'not given'}", fix)

    def begin_run(self, attributes: Mapping[str, str]) -> None:
        self.run = {name: attributes[name] for name in ("id", "startTimeStamp") if name in attributes}

    def group(self, element: Element) -> None:
        self.groups[element.attributes.get("id", "")] = element

    def chromatogram(self, element: Element) -> None:
        what = f"chromatogram {len(self.traces) + self.empty + 1}"
        if length(element.attributes.get("defaultArrayLength"), what) == 0:
            self.empty += 1
            return
        arrays = self._arrays(element, what, self.content.budget)
        time = _one(arrays, (_TIME,), f"{what}, time array")
        signal = _one(arrays, _SIGNALS, f"{what}, intensity array")
        if time.values.shape != signal.values.shape:
            raise _bad(what, f"{time.values.size} intensities", f"{signal.values.size}")
        about = next(signal.terms[name] for name in _SIGNALS if name in signal.terms)
        with naming(what):
            self.traces.append(
                Chromatogram(
                    time.values * _seconds(time.terms[_TIME], what),
                    signal.values,
                    signal_unit=label(about.get("unitName", "")),
                    detector=self._detector(element),
                    metadata={**self.run, "chromatogram": element.attributes.get("id", "")}
                    if self.keep
                    else {},
                    origin=self.origin,
                )
            )

    def spectrum(self, element: Element) -> None:
        """Keep time and summed intensity of an MS1 spectrum.

        Spectra stand before the chromatograms: what is wrong with them matters only where none follow.
        """
        terms = self._terms(element)
        if self.unreadable is None and (_MS1 in terms or terms.get(_LEVEL, {}).get("value") == "1"):
            try:
                self.scans.append(self._scan(element, f"MS1 spectrum {len(self.scans) + 1}"))
            except InputError as error:
                self.unreadable = error

    def _scan(self, element: Element, what: str) -> tuple[float, float]:
        started = next((t[_STARTED] for t in map(self._terms, element.below("scan")) if _STARTED in t), None)
        if started is None:
            raise _bad(what, "a scan start time", "none")
        try:
            at = float(started.get("value", "")) * _seconds(started, what)
        except ValueError:
            raise _bad(what, "a scan start time", "no number") from None
        arrays = self._arrays(element, what, self.passing)
        return at, float(_one(arrays, (_INTENSITY,), f"{what}, intensity array").values.sum())

    def _arrays(self, element: Element, what: str, budget: Budget) -> list[_Array]:
        default = element.attributes.get("defaultArrayLength")
        found = []
        for array in element.below("binaryDataArray"):
            terms = self._terms(array)
            if not any(name in terms for name in (_TIME, *_SIGNALS)):
                continue
            count = length(array.attributes.get("arrayLength", default), what)
            kinds = [dtype for name, dtype in _TYPES.items() if name in terms]
            if len(kinds) != 1:
                raise _bad(what, "one type of number (32 or 64 bit)", f"{len(kinds)}")
            packed = _is_zlib(terms, what)
            binary = array.first("binary")
            text = "" if binary is None else binary.text
            values = decode_array(text, kinds[0], count, what, budget, zlib=packed)
            found.append(_Array(terms, values))
        return found

    def _terms(self, element: Element) -> Terms:
        """The cvParams of an element, those of the groups that it refers to included."""
        named = (
            self.groups.get(link.attributes.get("ref", ""))
            for link in element.all("referenceableParamGroupRef")
        )
        holders = [group for group in named if group is not None] + [element]
        return {
            p.attributes.get("accession", ""): p.attributes for one in holders for p in one.all("cvParam")
        }

    def _detector(self, element: Element) -> str:
        """The kind of chromatogram and its masses, "selected reaction monitoring 808.492 > 689.348"."""
        terms = self._terms(element)
        kind = next((name for accession, name in _KINDS.items() if accession in terms), "")
        masses = [_mass(part) for name in ("precursor", "product") for part in element.all(name)]
        return label(f"{kind} {' > '.join(mass for mass in masses if mass)}")


def read_mzml(content: Content, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """The chromatograms of an mzML file, or one total ion current built from its MS1 spectra.

    Raises InputError for damaged XML, base64, zlib or lengths, a document type, an unknown compression or
    unit of time, a draft of the format, and a file without chromatograms and MS1 spectra.
    """
    reader = _Reader(content, keep_metadata)
    parse(
        content.data,
        "mzML file",
        root=ROOT,
        opened={"mzML": reader.version, "run": reader.begin_run},
        closed={
            "referenceableParamGroup": reader.group,
            "chromatogram": reader.chromatogram,
            "spectrum": reader.spectrum,
        },
    )
    if reader.traces:
        return tuple(reader.traces)
    if reader.unreadable is not None:
        raise reader.unreadable
    if not reader.scans:
        raise _bad("mzML file", "chromatograms or MS1 spectra", "none with points")
    x, signal = np.array(reader.scans).T
    note = f"The file has no chromatogram: total ion current summed from its {x.size} MS1 spectra."
    return (
        Chromatogram(
            x,
            signal,
            signal_unit="number of counts",
            detector="total ion current",
            metadata=reader.run if keep_metadata else {},
            origin=reader.origin,
            notes=(note,),
        ),
    )


def _one(arrays: list[_Array], accessions: tuple[str, ...], what: str) -> _Array:
    found = [array for array in arrays if any(name in array.terms for name in accessions)]
    if len(found) != 1:
        raise _bad(what, "one", f"{len(found)}")
    return found[0]


def _is_zlib(terms: Terms, what: str) -> bool:
    others = [name for accession, name in _OTHER_COMPRESSION.items() if accession in terms]
    if others:
        fix = "Convert it with msconvert without --numpressAll, --numpressLinear, --numpressPic."
        raise _bad(what, "no compression, or zlib", others[0], fix)
    if (_ZLIB in terms) == (_NONE in terms):
        raise _bad(what, "no compression, or zlib", "an unknown compression")
    return _ZLIB in terms


def _seconds(term: Mapping[str, str], what: str) -> float:
    unit = term.get("unitAccession", "")
    if unit not in _UNITS_OF_TIME:
        raise _bad(what, "times in seconds (UO:0000010) or minutes (UO:0000031)", label(unit) or "no unit")
    return _UNITS_OF_TIME[unit]


def _mass(part: Element) -> str:
    """The mass that a precursor or product was selected at; empty where none stands."""
    for term in part.below("cvParam"):
        if term.attributes.get("accession") in (_SELECTED, _TARGET):
            try:
                return f"{float(term.attributes.get('value', '')):.6g}"
            except ValueError:
                return ""
    return ""


def _bad(what: str, expected: str, got: str, fix: str = "Copy or export the file again.") -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix)
