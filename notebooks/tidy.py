"""Bring notebooks into the form in which they are kept: no outputs, one kernel, cells that keep their names.

python notebooks/tidy.py [NOTEBOOK ...]
"""

import sys
from pathlib import Path

import nbformat

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def tidy(text: str, stem: str) -> str:
    """Return a notebook as it is kept; cells that have no id of this notebook's get the next number."""
    notebook = nbformat.reads(text, as_version=4)
    prefix = stem.split("_")[0] + "-"
    taken = {cell.id for cell in notebook.cells if cell.get("id", "").startswith(prefix)}
    number = max((int(name.removeprefix(prefix)) for name in taken), default=0)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.get("id") in taken:
            taken.remove(cell.id)  # a copied cell has the id of another
        else:
            number += 1
            cell.id = f"{prefix}{number:02d}"
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook, indent=1) + "\n"


if __name__ == "__main__":
    named = [Path(word) for word in sys.argv[1:]]
    for path in named or sorted(Path(__file__).parent.glob("*.ipynb")):
        path.write_text(tidy(path.read_text(encoding="utf-8"), path.stem), encoding="utf-8")
