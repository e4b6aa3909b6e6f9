"""What models are told: versioned prompts as data, requests rendered with them, replies read."""

from actors.prompts.library import OPERATIONS, WORDINGS, Wording
from actors.prompts.rendering import Rendered, Repair, context_of, rendered, repair
from actors.prompts.schemas import SCHEMAS, parsed

__all__ = [
    "OPERATIONS",
    "SCHEMAS",
    "WORDINGS",
    "Rendered",
    "Repair",
    "Wording",
    "context_of",
    "parsed",
    "rendered",
    "repair",
]
