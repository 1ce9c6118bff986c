"""What a message says, as Slack's Block Kit. Pure: the address of the pages is an argument.

Limits of Slack: 3,000 characters in a section, 2,000 in a field, ten fields in a section, 50 blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alerts.domain import buttons
from alerts.domain.chat import Blocks

TEXT_LIMIT = 2900
FIELD_LIMIT = 1900
FIELDS_A_SECTION = 10


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message is about. `originator` is in words, such as "backend shop-v2"; empty where nobody
    knows, which is not said. `buttons` are elements of Block Kit.
    """

    heading: str
    tier: str = ""
    route: str = ""
    originator: str = ""
    severity: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    action: str = ""
    detail: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    hint: str = ""
    buttons: Sequence[dict[str, Any]] = ()


def payload(facts: Facts, *, broadcast: bool = False) -> dict[str, Any]:
    """`text` (what notifications and old clients show) and `blocks`, ready for the outbox.

    `broadcast`: where it is a line in a thread, the channel shows it, too.
    """
    return {"text": _plain(facts), "blocks": _blocks(facts), "broadcast": broadcast}


def originator_words(originator: str, upstream: str) -> str:
    """Whose fault, in the words that every page uses: "proxy", "backend shop-v2", "both", "unknown"."""
    return f"backend {upstream}" if originator == "backend" and upstream else originator


def known_originator(originator: str, upstream: str) -> str:
    """As `originator_words`; empty where nobody knows."""
    return "" if originator == "unknown" else originator_words(originator, upstream)


def runbook_link(base_url: str, slug: str, incident_id: int | None) -> str:
    """Where the runbook's page opens, with the incident in view where there is one."""
    page = f"{base_url}/runbooks/{slug}/"
    return page if incident_id is None else f"{page}?incident={incident_id}"


def incident_link(base_url: str, incident_id: int) -> str:
    """The incident's own page."""
    return f"{base_url}/incidents/{incident_id}"


def silence_link(base_url: str, incident_id: int) -> str:
    """The form on the incident's page that silences its target."""
    return f"{incident_link(base_url, incident_id)}#act-silence"


def _plain(facts: Facts) -> str:
    where = "/".join(part for part in (facts.tier, facts.route) if part)
    links = " ".join(url for _, url in facts.links)
    parts = (facts.heading, where and f"[{where}]", facts.action, links)
    return " ".join(part for part in parts if part)[:TEXT_LIMIT]


def _blocks(facts: Facts) -> Blocks:
    labelled = {
        "Tier": facts.tier,
        "Route": facts.route,
        "Originator": facts.originator,
        "Severity": facts.severity,
        **facts.numbers,
    }
    fields = [_mrkdwn(f"*{escape(k)}*\n{escape(v)}", FIELD_LIMIT) for k, v in labelled.items() if v]
    blocks: Blocks = [_section(f"*{escape(facts.heading)}*")]
    blocks += [
        {"type": "section", "fields": fields[i : i + FIELDS_A_SECTION]}
        for i in range(0, len(fields), FIELDS_A_SECTION)
    ]
    if facts.action:
        blocks.append(_section(f"*What the machine did*\n{escape(facts.action)}"))
    if facts.detail:
        blocks.append(_section("\n".join(f"• {escape(line)}" for line in facts.detail)))
    if facts.links:
        blocks.append(_section(" · ".join(f"<{url}|{escape(words)}>" for words, url in facts.links)))
    if facts.buttons:
        blocks.append(buttons.block(facts.buttons))
    if facts.hint:
        blocks.append({"type": "context", "elements": [_mrkdwn(escape(facts.hint), FIELD_LIMIT)]})
    return blocks


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text, TEXT_LIMIT)}


def _mrkdwn(text: str, limit: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text if len(text) <= limit else f"{text[: limit - 1]}…"}


def escape(text: str) -> str:
    """Text as mrkdwn shows it literally."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
