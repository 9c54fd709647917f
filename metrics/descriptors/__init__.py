"""Text descriptors beyond those of `metrics/text.py`: each a function of one event with its card.

docs/descriptors.md says what they are for and how far they were measured.
"""

from driftline.metrics.metric import Metric

from .characters import CHARACTERS
from .code_validity import CODE_VALIDITY
from .context_window import context_window_use
from .degeneration import DEGENERATION
from .given_patterns import GIVEN_PATTERNS
from .glossary import glossary_fidelity
from .hedging import HEDGING
from .json_validity import valid_json
from .language import LANGUAGE
from .patterns import PATTERNS
from .profanity import PROFANITY
from .references import REFERENCES
from .sentiment import SENTIMENT
from .truncation import cut_off
from .vocabulary import VOCABULARY

DESCRIPTORS: tuple[Metric, ...] = (
    *LANGUAGE,
    *SENTIMENT,
    *HEDGING,
    *PROFANITY,
    *DEGENERATION,
    cut_off,
    valid_json,
    *CODE_VALIDITY,
    context_window_use,
    glossary_fidelity,
    *CHARACTERS,
    *PATTERNS,
    *GIVEN_PATTERNS,
    *VOCABULARY,
    *REFERENCES,
)
