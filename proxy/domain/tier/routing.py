"""Which requests a route takes and where they go: to the arms of a split, elsewhere, or to a fixed answer."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from proxy.domain.tier.actions import DirectResponse, HostText, Redirect, RegexRewrite
from proxy.domain.tier.fields import WEIGHT_TOTAL, Declared, Host, Method, Name, Weight
from proxy.domain.tier.matching import Match, PathText
from proxy.domain.tier.mirrors import Mirror
from proxy.domain.tier.splits import Arm, Sticky

_SHORT = ("prefix", "methods")
_OF_A_SPLIT = ("arms", "sticky", "mirror", "prefix_rewrite", "regex_rewrite", "host_rewrite_literal")


class Routing(Declared):
    """What a request to some hosts and paths gets: a split, a redirect or a direct response.

    `split` gives each upstream its weight in basis points (`upstream: X` is short for all to X); `prefix` and
    `methods` of the route are short for those of `match`. `arms` come before the weights, in their order.
    """

    name: Name
    hosts: tuple[Host, ...] = Field(min_length=1)
    match: Match = Match()
    split: dict[str, Weight] = {}
    arms: tuple[Arm, ...] = ()
    sticky: Sticky | None = None
    mirror: Mirror | None = None
    prefix_rewrite: PathText | None = None
    regex_rewrite: RegexRewrite | None = None
    host_rewrite_literal: HostText | None = None
    redirect: Redirect | None = None
    direct_response: DirectResponse | None = None

    @model_validator(mode="before")
    @classmethod
    def _upstream_is_short_for_a_split(cls, given: Any) -> Any:
        if isinstance(given, dict) and "upstream" in given:
            if "split" in given:
                raise ValueError("upstream stands beside split, for which it is short: leave one out")
            rest = {key: value for key, value in given.items() if key != "upstream"}
            return {**rest, "split": {str(given["upstream"]): WEIGHT_TOTAL}}
        return given

    @model_validator(mode="before")
    @classmethod
    def _prefix_and_methods_are_short_for_a_match(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not any(key in given for key in _SHORT):
            return given
        long = given.get("match", {})
        short = {key: given[key] for key in _SHORT if key in given}
        if not isinstance(long, dict):
            return given
        if twice := [key for key in short if key in long]:
            raise ValueError(f"{twice[0]} stands in the route and in its match: leave one out")
        rest = {key: value for key, value in given.items() if key not in _SHORT}
        return {**rest, "match": {**long, **short}}

    @field_validator("split")
    @classmethod
    def _weights_add_up(cls, split: dict[str, int]) -> dict[str, int]:
        if split and sum(split.values()) != WEIGHT_TOTAL:
            raise ValueError(f"the weights add up to {sum(split.values())}, not {WEIGHT_TOTAL}")
        return split

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        ways = [bool(self.split), self.redirect is not None, self.direct_response is not None]
        if sum(ways) != 1:
            raise ValueError("needs exactly one of upstream, split, redirect and direct_response")
        if not self.split:
            beside = [field for field in _OF_A_SPLIT if getattr(self, field)]
            if beside:
                raise ValueError(f"{beside[0]} belongs to a route with a split: no upstream is asked here")
        return self

    @model_validator(mode="after")
    def _arms_are_of_the_split(self) -> Self:
        for index, arm in enumerate(self.arms):
            if arm.upstream not in self.split:
                raise ValueError(
                    f"arms[{index}].upstream: {arm.upstream} is not in the split; add it there with weight 0"
                )
        return self

    @model_validator(mode="after")
    def _one_rewrite_that_fits(self) -> Self:
        if self.prefix_rewrite is not None and self.regex_rewrite is not None:
            raise ValueError("takes one of prefix_rewrite and regex_rewrite")
        elsewhere = self.redirect.prefix_rewrite if self.redirect else None
        rewrite = self.prefix_rewrite or elsewhere
        if rewrite is not None and self.match.by[0] in ("path_template", "safe_regex"):
            raise ValueError(f"prefix_rewrite needs match.prefix or match.path, not {self.match.by[0]}")
        return self

    @property
    def does(self) -> tuple[str, ...]:
        """What becomes of a request before the weights and beside them, as a person says it."""
        said = [f"{'; '.join(arm.match.words)}: always {arm.upstream}" for arm in self.arms]
        if self.sticky is not None:
            said.append(f"visitors keep their upstream {self.sticky.words}")
        if self.mirror is not None:
            share, copied = self.mirror.share / 100, self.mirror.upstream
            said.append(f"{share:g} % are sent to {copied} once more, whose answers nobody gets")
        if self.prefix_rewrite is not None:
            said.append(f"{self.match.by[1]} becomes {self.prefix_rewrite} in the path")
        if self.regex_rewrite is not None:
            said.append(f"{self.regex_rewrite.pattern} becomes {self.regex_rewrite.substitution} in the path")
        if self.host_rewrite_literal is not None:
            said.append(f"the host becomes {self.host_rewrite_literal}")
        if self.redirect is not None:
            said.append(f"redirects, {self.redirect.words}")
        if self.direct_response is not None:
            said.append(f"answers {self.direct_response.status} by itself")
        return tuple(said)

    @property
    def told(self) -> frozenset[tuple[str, str]]:
        """What goes to upstreams beside the weights, as a proxy that runs the route shows it."""
        mirror = (self.mirror,) if self.mirror is not None else ()
        return frozenset(each.told for each in (*self.arms, *mirror))

    @property
    def prefix(self) -> str:
        """The prefix of the match; `/` where the path is matched in another way."""
        return self.match.prefix

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods of the match; none means all."""
        return self.match.methods
