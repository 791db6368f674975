"""Contract checks that the author of a model or head runs on it, in a test or a notebook."""

from registry.checks.failure import CheckFailed
from registry.checks.heads import HEAD_CHECKS, check_head
from registry.checks.models import MODEL_CHECKS, check_model

__all__ = ["HEAD_CHECKS", "MODEL_CHECKS", "CheckFailed", "check_head", "check_model"]
