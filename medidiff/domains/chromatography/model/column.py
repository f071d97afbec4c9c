"""An open tubular column: a tube, and a film of stationary phase on its wall."""

from __future__ import annotations

from dataclasses import dataclass

from medidiff.domains.chromatography.model import plausible


@dataclass(frozen=True)
class Column:
    """Length, inner diameter and film thickness in m. Raises InputError for what is not above 0."""

    length_m: float
    diameter_m: float
    film_m: float
    stationary_phase: str = ""

    def __post_init__(self) -> None:
        plausible.LENGTH.check(self.length_m)
        plausible.DIAMETER.check(self.diameter_m)
        plausible.FILM.check(self.film_m)

    @property
    def phase_ratio(self) -> float:
        """Beta = d/(4 df), volume of gas over volume of film; K = beta k."""
        return self.diameter_m / (4 * self.film_m)

    @property
    def film_fraction(self) -> float:
        """Phi = df/d, to which K-centric parameters refer."""
        return self.film_m / self.diameter_m

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        return (
            *plausible.LENGTH.notes(self.length_m),
            *plausible.DIAMETER.notes(self.diameter_m),
            *plausible.FILM.notes(self.film_m),
        )
