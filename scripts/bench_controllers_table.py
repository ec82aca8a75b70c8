"""The README's table, and the picture, of a benchmark of controllers, from the JSON that it printed.

nas bench controllers --table nas-bench-macro_cifar10.json --seeds 24 --objectives one --json > one.json
nas bench controllers --table nas-bench-macro_cifar10.json --seeds 24 --objectives two --json > two.json
python scripts/bench_controllers_table.py one.json two.json [-o bench.svg]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nas.benchmark import picture
from nas.benchmark.report import footnote, markdown


def main() -> None:
    """Print the table in Markdown and what its numbers mean; draw the curves where asked."""
    parser = argparse.ArgumentParser(description="A benchmark of controllers as a table in Markdown.")
    parser.add_argument("files", type=Path, nargs="+", help="of one problem, for different objectives")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in arguments.files]
    document = {**documents[0], "results": [result for each in documents for result in each["results"]]}
    print(markdown(document))
    print(f"\n{footnote(document)}")
    if arguments.output is not None:
        picture.draw(document, arguments.output)


if __name__ == "__main__":
    main()
