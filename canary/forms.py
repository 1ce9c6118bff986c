"""What people fill in to start a rollout."""

import math
from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict

from canary.domain.declared import BadFile, part
from canary.domain.plan import LONGEST, WHOLE, BadPlan, read

BASIS_POINTS_PER_PERCENT = 100
STATES = {"live": "going on", "asks": "a person is asked", "ended": "ended"}
_ERRORS = [{"name": "first_attempt"}, {"name": "final"}]
# What a rollout can be judged by without a line of YAML: words, and the plan's metrics; None are the default.
PRESETS: dict[str, tuple[str, list[dict[str, str]] | None]] = {
    "errors": ("errors", None),
    "latency": ("errors and latency", [*_ERRORS, {"name": "total_latency"}]),
    "latency_pauses": (
        "errors; latency only pauses",
        [*_ERRORS, {"name": "total_latency", "action": "pause"}],
    ),
}
# Another route has other upstreams; without a script the form says so once it is sent.
FOLLOWED = {
    "hx-get": "",
    "hx-trigger": "change",
    "hx-target": "#id_upstream",
    "hx-select": "#id_upstream",
    "hx-swap": "outerHTML",
}


class ListForm(forms.Form):
    """Narrows a list of rollouts or of releases; what is invalid is as if it were not there."""

    text = forms.CharField(
        label="Search",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "route, upstream, key …"}),
    )
    state = forms.ChoiceField(required=False)
    page = forms.IntegerField(required=False, min_value=1, max_value=10_000, widget=forms.HiddenInput)

    def __init__(self, asked: QueryDict, states: Iterable[str]) -> None:
        """`states` are those of STATES that there are."""
        super().__init__(asked)
        offered = [("", "every state"), *((name, STATES[name]) for name in states)]
        self.fields["state"] = forms.ChoiceField(required=False, choices=offered)
        self.full_clean()

    def asked(self, name: str) -> str:
        """Empty where it is not given, or is not valid."""
        return str(self.cleaned_data.get(name) or "")

    @property
    def number(self) -> int:
        """The page that is asked for, from 1."""
        return self.cleaned_data.get("page") or 1

    @property
    def narrows(self) -> bool:
        return bool(self.asked("text") or self.asked("state"))


class StartForm(forms.Form):
    """A rollout. `steps` is in percent, as people think; the plan is in basis points."""

    route = forms.ChoiceField(help_text="Where the canary takes traffic.")
    upstream = forms.ChoiceField(help_text="The canary: an upstream without traffic on the route.")
    steps = forms.CharField(
        initial="5, 25, 50, 100", help_text="Percent of the route's requests, rising. Each step is earned."
    )
    mode = forms.ChoiceField(
        choices=[
            ("approve", "approve: a person takes each step that was earned"),
            ("auto", "auto: a step that was earned is taken"),
            ("observe", "observe: it is judged at the first step, and only people move it"),
        ],
        help_text="A failing canary is rolled back at once, but in observe.",
    )
    approvals = forms.ChoiceField(
        choices=[("each", "each step"), ("last", "only the last step")],
        initial="each",
        required=False,
        help_text="What mode approve asks for.",
    )
    judged_by = forms.ChoiceField(
        choices=[(name, words) for name, (words, _) in PRESETS.items()],
        initial="errors",
        required=False,
        help_text="Compared with the rest of the pool. One that is only slower is found by latency.",
    )
    bake = forms.FloatField(
        min_value=0,
        max_value=LONGEST / 60,
        required=False,
        help_text="Minutes that the old arm keeps 1 % after the last step, while the canary is still judged. "
        "Empty: none.",
    )
    more = forms.CharField(
        label="More of the plan",
        required=False,
        max_length=20_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "placeholder": "longest_stay: 900"}),
        help_text="YAML, as in a file's plan: warm_up, metrics, match, mirror, hooks, freeze …",
    )
    reason = forms.CharField(max_length=500, help_text="Kept in the audit.")

    def __init__(
        self, *args: Any, routes: list[str], standing_by: list[str], others: list[str], **kwargs: Any
    ) -> None:
        """`standing_by` are upstreams in the route's split without weight, `others` those that could be."""
        super().__init__(*args, **kwargs)
        names = standing_by + others
        choices = [(name, name) for name in names]
        # Nothing is chosen for a person that was not declared to stand by.
        unchosen = [] if standing_by else [("", "choose" if names else "no upstream is free for this route")]
        # One declaration, the choices of the moment: fields are copied per form.
        self.fields["route"] = forms.ChoiceField(
            choices=[(name, name) for name in routes],
            help_text=self.fields["route"].help_text,
            widget=forms.Select(attrs=FOLLOWED),
        )
        self.fields["upstream"] = forms.ChoiceField(
            choices=unchosen + choices, help_text=self.fields["upstream"].help_text
        )

    def clean(self) -> dict[str, Any]:
        """Only mode approve asks, so that only there is a choice; and the whole plan must make sense."""
        given = super().clean() or {}
        if given.get("approvals") == "last" and given.get("mode") != "approve":
            self.add_error("approvals", "Only mode approve asks for approval.")
        if not self.errors:
            try:
                read(self.plan)
            except BadPlan as error:
                self.refuse(f"plan.{error.field}", error.why)
        return given

    @property
    def plan(self) -> dict[str, Any]:
        """What the plan is to hold; what the fields leave as it is by default is not in it."""
        given = self.cleaned_data
        plan: dict[str, Any] = {"steps": given["steps"], **given["more"]}
        if given["approvals"] == "last":
            plan["approvals"] = "last"
        if given["bake"]:
            plan["bake"] = {"seconds": 60 * given["bake"]}
        _, metrics = PRESETS[given["judged_by"] or "errors"]
        return {**plan, "metrics": metrics} if metrics else plan

    def refuse(self, field: str, why: str) -> None:
        """Say what is wrong beside where it was written: `field` is a path such as `plan.steps`."""
        top, _, rest = field.partition(".")
        place = rest.split(".")[0]
        if top in self.fields:
            self.add_error(top, why)
        elif top == "plan" and place in self.fields and place not in self.cleaned_data.get("more", {}):
            self.add_error(place, f"{rest}: {why}")
        elif top == "plan" and place:
            self.add_error("more", f"{rest}: {why}")
        else:
            self.add_error(None, f"{field}: {why}")

    def clean_more(self) -> dict[str, Any]:
        """A part of a plan, without what the fields above say already."""
        try:
            more = part(self.cleaned_data["more"])
        except BadFile as error:
            raise forms.ValidationError(str(error)) from error
        chosen = self.cleaned_data.get("judged_by") not in ("", "errors")
        baked = bool(self.cleaned_data.get("bake"))
        said = {"steps": True, "approvals": True, "bake": baked, "metrics": chosen}
        twice = [name for name, above in said.items() if above and name in more]
        if twice:
            raise forms.ValidationError(f"{twice[0]}: a field above says it already")
        return more

    def clean_steps(self) -> list[int]:
        """Percents as basis points; what is wrong with them is said in percent."""
        parts = str(self.cleaned_data["steps"]).split(",")
        shares = [_share(part) for part in parts if part.strip()]
        if not all(0 < share <= 100 for share in shares):
            raise forms.ValidationError("Each step is above 0 and at most 100 percent.")
        steps = [round(share * BASIS_POINTS_PER_PERCENT) for share in shares]
        if not steps or steps[0] in (0, WHOLE):
            raise forms.ValidationError(
                "Begin with a step from 0.01 to below 100 percent, where the canary can be compared."
            )
        try:
            return list(read({"steps": steps}).steps)
        except BadPlan as error:
            raise forms.ValidationError(f"The steps {error.why}.") from error


def _share(text: str) -> float:
    """One step in percent. Raises ValidationError; what is no finite number is none."""
    try:
        share = float(text.strip().removesuffix("%"))
    except ValueError:
        share = math.nan
    if not math.isfinite(share):
        raise forms.ValidationError("Write percents with commas between, such as 5, 25, 50, 100.")
    return share
