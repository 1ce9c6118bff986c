"""Every mistake in a team's own runbook, each by its place in the file."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from proxy.domain.errors import Invalid
from runbooks.domain import mistakes
from runbooks.domain.mistakes import place
from runbooks.domain.writing import Written, as_declaration, from_declaration, from_markdown
from tests.runbooks.own import declared, front, written


def found(**changes: Any) -> dict[str, str]:
    return dict(mistakes.of(written(**changes)))


def test_a_sound_runbook_has_none() -> None:
    assert found() == {}


def test_a_text_for_people_alone_is_sound_too() -> None:
    given = {name: front()[name] for name in ("title", "summary", "severity", "owner")}
    assert mistakes.of(from_declaration({"slug": "on-call", **given, "text": "Call Ann."})) == []


def changed(path: str, value: Any) -> dict[str, Any]:
    """The changes that put `value` at the path."""
    top, *rest = path.split(".")
    whole = front()
    node: Any = whole
    for part in (top, *rest[:-1]):
        node = node[int(part)] if isinstance(node, list) else node[part]
    if isinstance(node, list):
        node[int(rest[-1]) :] = [value]
    else:
        node[rest[-1]] = value
    return {top: whole[top]}


STEPS = "remedies.tight.steps"
SCALE = {
    "do": "scale",
    "url": "https://scaler.test/",
    "secret": "ops",
    "instances": "instances",
    "load": "used",
    "target": "$full",
    "at_most": 10,
}


@pytest.mark.parametrize(
    ("path", "value", "where", "why"),
    [
        ("title", "", "title", "at least 1"),
        ("severity", "loud", "severity", "'page' or 'ticket'"),
        ("policy.hold_for", "soon", "policy.hold_for", "duration"),
        ("policy.speed", 1, "policy.speed", "no runbook has a setting speed"),
        ("policy", {"lookback": "10m"}, "policy", "1.5 times lookback"),
        ("scope", "galaxy", "scope", "must be"),
        ("symptom", {"signal": "used", "at_least": 1, "below": 2}, "symptom", "exactly one"),
        ("symptom.all.0.signal", "load", "symptom.all[0].signal", "there is no signal load"),
        ("symptom.all.0.at_least", "fulll", "symptom.all[0].at_least", "there is no threshold fulll"),
        ("symptom", {"all": []}, "symptom.all", "must not be empty"),
        ("over", {"signal": "nope", "at_most": 1}, "over.signal", "there is no signal nope"),
        ("signals.used.unit", "furlongs", "signals.used.unit", "must be"),
        ("signals.used.indicator", "joy", "signals.used", "there is no indicator joy"),
        ("signals.used.promql", "up", "signals.used", "give promql, or"),
        (
            "signals.more",
            {"ratio": "used", "over": "nothing"},
            "signals.more",
            "nothing, which no signal before it is",
        ),
        ("remedy", "other", "remedy", "one of tight"),
        (f"{STEPS}.0.patch.kind", "retry_of", f"{STEPS}[0].patch.kind", ""),
        (f"{STEPS}.0.patch.percent", 120, f"{STEPS}[0].patch.percent", "100"),
        (f"{STEPS}.0.patch.upstream", "$shop", f"{STEPS}[0]", "$shop stands for nothing"),
        (
            f"{STEPS}.1",
            {"do": "tell", "text": "$shop is full"},
            f"{STEPS}[1].text",
            "$shop stands for nothing",
        ),
        (f"{STEPS}.1", {**SCALE, "load": "nope"}, f"{STEPS}[1].load", "there is no signal nope"),
        (f"{STEPS}.1", {**SCALE, "at_least": 20}, f"{STEPS}[1]", "at_least is above at_most"),
        (f"{STEPS}.1", {**SCALE, "target": "wanted"}, f"{STEPS}[1]", "such as $wanted"),
        (f"{STEPS}.1", {**SCALE, "url": "https://a.test/?t=1"}, f"{STEPS}[1].url", "no query"),
        (f"{STEPS}.1", {**SCALE, "cooldown": "soon"}, f"{STEPS}[1].cooldown", "duration"),
        (f"{STEPS}.0.do", "pray", f"{STEPS}[0]", "pray"),
        ("says.present", "{load} is high", "says.present", "{load} stands for nothing"),
        ("shows", ["nope"], "shows[0]", "there is no signal nope"),
        ("speed", "fast", "speed", "unknown key"),
    ],
)
def test_a_mistake_is_told_by_its_place(path: str, value: Any, where: str, why: str) -> None:
    told = found(**(changed(path, value) if "." in path else {path: value}))
    assert where in told, told
    assert why in told[where]


def test_a_policy_may_set_a_threshold_too() -> None:
    assert found(policy={"full": 0.8}) == {}


def test_an_overlay_behind_another_step_would_not_wait_for_it() -> None:
    remedies = front()["remedies"]
    one = remedies["tight"]["steps"][0]
    remedies["tight"]["steps"] = [one, {"do": "ask", "text": "More?"}, one]
    assert "laid together" in found(remedies=remedies)[f"{STEPS}[2]"]


def test_all_mistakes_are_told_at_once() -> None:
    told = found(title="", scope="galaxy", policy={"speed": 1, "hold_for": "soon"}, remedies={})
    assert {"title", "scope", "policy.speed", "policy.hold_for", "remedies"} <= set(told)


def test_names_are_told_beside_what_is_wrong_in_its_shape() -> None:
    signals = front()["signals"]
    signals["used"]["by"] = "upstraem"
    told = found(signals=signals, thresholds={"fulll": 0.9, "roomy": 0.6}, shows=["nope"])
    assert told == {
        "signals.used.by": told["signals.used.by"],
        "symptom.all[0].at_least": "there is no threshold full",
        "shows[0]": "there is no signal nope",
    }


def test_no_name_is_missed_because_what_bears_it_is_wrong() -> None:
    signals = front()["signals"]
    signals["used"]["unit"] = "furlongs"
    assert set(found(signals=signals, remedy="other")) == {"signals.used.unit"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(name=st.sampled_from(sorted(front())), junk=JUNK)
@hypothesis_settings(max_examples=150, deadline=None)
def test_whatever_a_file_holds_is_told_and_never_breaks(name: str, junk: Any) -> None:
    assert all(why for _, why in mistakes.of(written(**{name: junk})))


def test_what_is_missing_is_told() -> None:
    given = declared()
    del given["remedy"], given["symptom"], given["text"], given["owner"]
    told = dict(mistakes.of(from_declaration(given)))
    assert {name: told[name] for name in ("remedy", "symptom", "owner")} == dict.fromkeys(
        ("remedy", "symptom", "owner"), "is missing"
    )
    assert "text" in told


@pytest.mark.parametrize("slug", ["", "Pool", "a b", "apply", "x" * 64, "../etc"])
def test_a_slug_that_cannot_be_is_refused(slug: str) -> None:
    assert "slug" in dict(mistakes.of(written(slug)))


def test_a_place_leaves_out_what_only_pydantic_says() -> None:
    given = {"symptom": {"all": [{"signal": "x"}]}, "signals": {"a": {"ratio": "x", "over": 1}}}
    assert place(given, ("symptom", "all", "all", 0, "comparison", "at_least")) == "symptom.all[0].at_least"
    assert place(given, ("signals", "a", "ratio", "over")) == "signals.a.over"
    assert place(given, ("signals", "a", "ratio", "ratio")) == "signals.a.ratio"
    assert place(given, ("signals", "b", "query", "unit")) == "signals.b.unit"


def test_a_runbook_is_written_and_read_to_the_same(tmp_path: Any) -> None:
    one = written()
    assert from_markdown(one.slug, one.source).digest == one.digest
    assert from_declaration(as_declaration(one)).digest == one.digest


def test_comments_and_layout_are_kept_and_are_no_change() -> None:
    plain = written()
    loud = Written(plain.slug, plain.front, plain.body, "")
    source = plain.source.replace("title:", "# why it is called so\ntitle:")
    again = from_markdown(plain.slug, source)
    assert again.source == source
    assert again.digest == plain.digest == loud.digest


def test_the_order_of_signals_is_a_change() -> None:
    signals = front()["signals"]
    assert written(signals=dict(reversed(signals.items()))).digest != written().digest


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("no front matter", "two lines of ---"),
        ("---\n- a\n---\nx", "must be a mapping"),
        ("---\na: 1\na: 2\n---\nx", "stands twice"),
        ("---\na: [\n---\nx", "not YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(source: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        from_markdown("x", source)
