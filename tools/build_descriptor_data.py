"""Builds the word lists of metrics/descriptors/data from the packages that they come from.

    pip download --no-deps vaderSentiment==3.3.2 textblob==0.20.1 better-profanity==0.7.0
    apt-get download wamerican=2020.12.07-2 wbritish=2020.12.07-2
    (unzip the wheels, dpkg -x the .deb files, all into one folder)
    python tools/build_descriptor_data.py FOLDER

The NOTICE beside the lists has their licences.
"""

from __future__ import annotations

import gzip
import re
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from statistics import fmean

DATA = Path(__file__).parents[1] / "metrics" / "descriptors" / "data"
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
FORM = re.compile(r"[a-z]+(?:['-][a-z]+)*")
CONTRACTIONS = {"that'll", "let's", "that's", "there's"}
# A word of the profanity list that is in the dictionary too stays only when it is one of these:
# the list holds pot, fat, kill, hell, stroke and gay as well.
PROFANE = re.compile(
    r".*fuck.*|.*shit(?!ake).*|.*bitch.*|ass|asses|arse|.*asshole.*|arsehole.*|bastards?|bollocks"
    r"|bugger|crap|crappy|.*cunt.*|.*damn.*|dumbass.*|.*fag(?:s|got|gots)?|.*nigg(?:er|ers|a|as)"
    r"|piss|pissed|pissing|pricks?|.*sluts?|.*slutty|twats?|wank.*|.*whores?|.*whoring|douchebag.*"
    r"|jackass|tits|titty|kikes?|spics?|gook|chink|coon|honkey|dyke|retard|retarded|turd"
)
_NOT_PROFANE = """
dong omg pcp wop massa xx xxxx hiv len guido seduce m-fucking a_s_s b!tch f4nny 3some gay gays
gaysex lesbian lesbians homo queer transsexual bisexual sexual sex oral
"""
NOT_PROFANE = frozenset(_NOT_PROFANE.split())


def main(folder: Path) -> None:
    known = dictionary(folder)
    write("words_en.txt.gz", sorted(known))
    write("valence_en.tsv.gz", valences(folder))
    write("subjectivity_en.tsv.gz", subjectivities(folder))
    write("profanity_en.txt.gz", profanity(folder, known))


def dictionary(folder: Path) -> set[str]:
    found = set(CONTRACTIONS)
    for name in ("american-english", "british-english"):
        lines = one(folder, name).read_text("utf-8").lower().splitlines()
        found |= {line for line in lines if not line.endswith("'s") and WORD.fullmatch(line)}
    return found


def valences(folder: Path) -> list[str]:
    rows = (line.split("\t") for line in one(folder, "vader_lexicon.txt").open(encoding="utf-8"))
    return sorted(f"{row[0]}\t{float(row[1]):g}" for row in rows if " " not in row[0])


def subjectivities(folder: Path) -> list[str]:
    found: dict[str, list[float]] = defaultdict(list)
    for sense in ET.parse(one(folder, "en-sentiment.xml")).getroot():
        if FORM.fullmatch(word := sense.get("form", "").lower()):
            found[word].append(float(sense.get("subjectivity", "nan")))
    return [f"{word}\t{fmean(senses):.3g}" for word, senses in sorted(found.items())]


def profanity(folder: Path, known: set[str]) -> list[str]:
    lines = one(folder, "profanity_wordlist.txt").read_text("utf-8").lower().splitlines()
    words = {line.strip() for line in lines} - NOT_PROFANE - {""}
    return sorted(word for word in words if word not in known or PROFANE.fullmatch(word))


def one(folder: Path, name: str) -> Path:
    return next(path for path in sorted(folder.rglob(name)) if path.is_file())


def write(name: str, lines: list[str]) -> None:
    (DATA / name).write_bytes(gzip.compress("\n".join(lines).encode("utf-8"), 9, mtime=0))
    print(f"{name}: {len(lines)} lines")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
