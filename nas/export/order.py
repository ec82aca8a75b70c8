"""An export and its model card, as one order: nothing is written unless both can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.export.card import NAME, Stated, check_card, write_card
from nas.export.exporting import Exported, export, path_of
from nas.export.subject import Subject


@dataclass(frozen=True)
class Order:
    """What is wanted: format, files, and what the card says. `card` None: MODEL_CARD.md beside the export."""

    form: str
    output: Path | None = None
    force: bool = False
    card: Path | None = None
    with_card: bool = True
    latency: bool = True
    threads: int = 1
    licence: str = "not stated"
    author: str = "not stated"


@dataclass(frozen=True)
class Written:
    """What was written."""

    subject: Subject
    exported: Exported
    card: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        said = {"key": self.subject.architecture.key, "weights": self.subject.weights, "input": self.subject.takes}
        return {**said, **self.exported.to_json(), "card": [str(path) for path in self.card]}

    def lines(self) -> list[str]:
        """The result for a person."""
        document, comparison = self.exported.to_json(), self.exported.comparison
        lines = [f"{' and '.join(document['files'])}: {self.exported.format}, {document['bytes'] / 1e6:.1f} MB"]
        lines += [f"input: {self.subject.takes}"]
        lines += [
            f"largest difference from torch over batches of 1, 2 and 5: {comparison.difference:.1e} "
            f"(scores up to {comparison.largest:.3g}; allowed {comparison.allowed:.1e})"
        ]
        return lines + ([f"card: {' and '.join(map(str, self.card))}"] if self.card else [])


def write(subject: Subject, order: Order) -> Written:
    """Export, measure, write the card. Raises `ExportError`, `LatencyError`."""
    path = path_of(subject, order.form, order.output)
    card = (order.card.expanduser() if order.card else path.with_name(NAME)) if order.with_card else None
    if card is not None:
        check_card(subject, card, order.force)
    exported = export(subject, order.form, order.output, order.force)
    if card is None:
        return Written(subject, exported)
    from nas.export.timing import latencies

    found = latencies(subject, order.threads) if order.latency else []
    stated = Stated(order.licence, order.author)
    return Written(
        subject, exported, write_card(subject, (order.form, exported.files[0]), card, found, stated, order.force)
    )
