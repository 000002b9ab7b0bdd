"""What was found so far, a line for each finding, so that a run that was cut goes on and several runs add up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Ledger"]


class Ledger:
    """Findings of several kinds, in a file too if there is a path.

    Parameters
    ----------
    path : Path, optional
        JSON lines. If it exists it is read first; its last line may have been cut.
    settings : mapping
        All that decides a finding, apart from what the finding itself names.

    Raises
    ------
    ValueError
        If the file was written with other settings.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.findings: list[dict[str, Any]] = []
        first = json.dumps({"settings": settings}, default=str)
        if path is None:
            return
        lines = path.read_text().splitlines() if path.exists() else []
        if not lines:
            path.write_text(first + "\n")
            return
        if lines[0] != first:
            raise ValueError(f"{path} was written with other settings: {lines[0]}, now {first}. Name another file.")
        for line in lines[1:]:
            try:
                self.findings.append(json.loads(line))
            except json.JSONDecodeError:
                break
        path.write_text("\n".join([first, *map(json.dumps, self.findings)]) + "\n")

    def add(self, kind: str, **finding: Any) -> dict[str, Any]:
        """Keep a finding, and return it."""
        line = json.dumps({"kind": kind, **finding}, default=float)
        self.findings.append(json.loads(line))
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(line + "\n")
        return self.findings[-1]

    def forget(self, unwanted: Callable[[Mapping[str, Any]], bool]) -> None:
        """Drop findings, for them to be made again; the file keeps them until then, and the later ones count."""
        self.findings = [finding for finding in self.findings if not unwanted(finding)]

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """The findings of a kind that have these values, in their order."""
        return [
            {key: value for key, value in finding.items() if key != "kind"}
            for finding in self.findings
            if finding["kind"] == kind and all(finding.get(key) == value for key, value in wanted.items())
        ]
