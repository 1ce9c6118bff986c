"""What makes two signals the same alert: the rule and its identity labels, never the value."""

import hashlib
import json
from collections.abc import Mapping


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """32 hexadecimal digits that do not depend on the order of `labels`."""
    identity = json.dumps([rule, sorted(labels.items())], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
