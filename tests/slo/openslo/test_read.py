"""What an OpenSLO file becomes, and that nothing in it goes untold."""

from typing import Any

import pytest

from proxy.domain.errors import Invalid
from slo.domain.openslo.read import Read, read
from tests.slo.openslo.files import GOOD, TOTAL, document, ratio, slo, source, threshold

SPEC = "SLO[mail].spec"


def only(said: Read) -> dict[str, Any]:
    """The fields of the file's one objective."""
    assert said.problems == ()
    assert len(said.found) == 1
    return said.found[0].declared.model_dump(exclude_defaults=True)


def problems(*texts: str) -> dict[str, str]:
    return dict(read("".join(texts)).problems)


def notes(*texts: str) -> dict[str, str]:
    return dict(read("".join(texts)).notes)


class TestAnSloOfCounters:
    """The shape that most published files have."""

    def test_becomes_a_ratio_in_events_a_second(self) -> None:
        found = only(read(slo(metadata={"displayName": "Mail gets through"})))

        assert found == {
            "name": "mail",
            "kind": "ratio",
            "description": "Mail gets through",
            "target": 99.9,
            "good": f"sum(rate({GOOD}[1m]))",
            "total": f"sum(rate({TOTAL}[1m]))",
            "window_days": 28,
        }

    def test_says_what_it_is_taken_as(self) -> None:
        where = f"{SPEC}.indicator.spec.ratioMetric.total.metricSource.spec.query"
        assert notes(slo())[where] == f"a counter: taken as sum(rate({TOTAL}[1m]))"

    def test_may_name_its_sli_and_its_data_source(self) -> None:
        sli: dict[str, Any] = {"ratioMetric": {"counter": True}}
        sli["ratioMetric"] |= {
            side: {"metricSource": {"metricSourceRef": "prom", "spec": {"query": query}}}
            for side, query in (("bad", GOOD), ("total", TOTAL))
        }
        said = read(
            slo(indicator=None, indicatorRef="mails")
            + document("SLI", "mails", sli)
            + document("DataSource", "prom", {"type": "Prometheus", "connectionDetails": {"url": "http://p"}})
        )
        assert only(said)["bad"] == f"sum(rate({GOOD}[1m]))"

    def test_needs_an_sli_that_is_there(self) -> None:
        assert problems(slo(indicator=None, indicatorRef="gone")) == {
            f"{SPEC}.indicatorRef": "there is no SLI gone in this file"
        }

    def test_of_several_targets_is_several_objectives(self) -> None:
        said = read(slo(objectives=[{"target": 0.999}, {"targetPercent": 99.5}]))
        assert [(one.declared.name, one.declared.target) for one in said.found] == [
            ("mail-1", 99.9),
            ("mail-2", 99.5),
        ]

    def test_reads_targets_in_quotes_exactly(self) -> None:
        assert only(read(slo(objectives=[{"target": "0.9995"}])))["target"] == 99.95

    def test_takes_its_team_as_the_owner(self) -> None:
        assert only(read(slo(metadata={"labels": {"team": ["mail"]}})))["owner"] == "mail"


class TestAThreshold:
    """A metric compared with a value."""

    def test_becomes_a_gauge_in_its_bound(self) -> None:
        found = only(read(slo(threshold(), objectives=[{"op": "lte", "value": 10, "target": 0.99}])))
        assert (found["kind"], found["gauge"], found["at_most"]) == ("gauge", "max(queue_depth)", 10)

    def test_that_is_strict_stays_strict(self) -> None:
        found = only(read(slo(threshold("up"), objectives=[{"op": "gt", "value": 0, "target": 0.99}])))
        assert (found["gauge"], found["at_least"]) == ("((up) >= -Inf) > bool 0", 1)

    def test_needs_its_value(self) -> None:
        assert f"{SPEC}.objectives[0].value" in problems(slo(threshold(), objectives=[{"target": 0.99}]))

    def test_counts_ratios_of_slices_by_the_second(self) -> None:
        promise = {"op": "gte", "value": 1, "target": 0.99, "timeSliceWindow": "5m"}
        said = read(slo(threshold(), budgetingMethod="RatioTimeslices", objectives=[promise]))
        assert only(said)["at_least"] == 1
        assert f"{SPEC}.budgetingMethod" in dict(said.notes)


@pytest.mark.parametrize(
    ("spec", "place", "words"),
    [
        ({"budgetingMethod": "Timeslices"}, "budgetingMethod", "not expressible"),
        ({"budgetingMethod": "RatioTimeslices"}, "budgetingMethod", "weighs a quiet minute like a busy one"),
        ({"budgetingMethod": "Guessed"}, "budgetingMethod", "must be one of Occurrences"),
        ({"objectives": []}, "objectives", "promises nothing"),
        ({"objectives": [{"target": 1.0}]}, "objectives[0].target", "less than 1"),
        ({"objectives": [{"targetPercent": 100}]}, "objectives[0].targetPercent", "less than 100"),
        ({"objectives": [{"target": 0.9, "targetPercent": 90}]}, "objectives[0].target", "one of them"),
        ({"objectives": [{"target": 0.9, "indicatorRef": "x"}]}, "objectives[0].indicatorRef", "composite"),
        ({"objectives": [{"targt": 0.9, "target": 0.9}]}, "objectives[0].targt", "no field of OpenSLO"),
        ({"timeWindow": [{"duration": "1M", "isRolling": True}]}, "timeWindow[0].duration", "write days"),
        ({"timeWindow": [{"duration": "12h", "isRolling": True}]}, "timeWindow[0].duration", "whole days"),
        ({"timeWindow": [{"duration": "1Y", "isRolling": True}]}, "timeWindow[0].duration", "write days"),
        ({"timeWindow": [{"duration": "1w", "isRolling": False}]}, "timeWindow[0].isRolling", "its calendar"),
        ({"description": "x" * 501}, "description", "at most 500"),
        ({"sloType": "Request"}, "sloType", "no field of OpenSLO"),
    ],
)
def test_what_cannot_be_expressed_is_refused_at_its_place(
    spec: dict[str, Any], place: str, words: str
) -> None:
    said = problems(slo(**spec))
    assert list(said) == [f"{SPEC}.{place}"]
    assert words in said[f"{SPEC}.{place}"]


@pytest.mark.parametrize(
    ("sli", "place", "words"),
    [
        ({"ratioMetric": {"raw": source("x"), "rawType": "success"}}, "raw", "no events to weigh"),
        (ratio(bad=source("x")), "good", "one of them"),
        ({"ratioMetric": {"counter": True, "good": source(GOOD)}}, "total", "is missing"),
        (
            ratio(total="sum(a_total) - sum(b_total)"),
            "total.metricSource.spec.query",
            "events a second: write sum(rate(",
        ),
        (ratio(counter=None, good="mails"), "good.metricSource.spec.query", "counter: true or false"),
        (
            ratio(good="max(increase(a_total[5m]))"),
            "good.metricSource.spec.query",
            "write rate()",
        ),
        (
            ratio(total=source("sum:x{*}", "Datadog")),
            "total.metricSource.type",
            "Datadog: Sluice reads its own Prometheus only",
        ),
        (
            ratio(total=source(TOTAL, step=5)),
            "total.metricSource.spec.step",
            "not understood",
        ),
    ],
)
def test_an_indicator_that_cannot_be_counted_is_refused_at_its_place(
    sli: dict[str, Any], place: str, words: str
) -> None:
    path = f"{SPEC}.indicator.spec.ratioMetric.{place}"
    said = problems(slo(sli))
    assert list(said) == [path]
    assert words in said[path]


class TestCalendars:
    """Week, month and quarter, in UTC."""

    def test_are_taken_where_they_begin_as_sluices_do(self) -> None:
        calendar = {"startTime": "2026-04-01 00:00:00", "timeZone": "Etc/UTC"}
        window = {"duration": "1Q", "calendar": calendar, "isRolling": False}
        assert only(read(slo(timeWindow=[window])))["calendar"] == "quarter"

    def test_of_another_place_or_beginning_are_refused(self) -> None:
        window = "{duration: 1w, calendar: {startTime: 2022-01-01 12:00:00, timeZone: America/New_York}}"
        text = slo(timeWindow=None).replace(
            "  budgetingMethod", f"  timeWindow: [{window}]\n  budgetingMethod"
        )
        place = f"{SPEC}.timeWindow[0].calendar"
        assert sorted(problems(text)) == [f"{place}.startTime", f"{place}.timeZone"]


class TestAlertPolicies:
    """Sluice alerts by its own tiers: of others the severity is taken, and the rest is told."""

    def policy(self, severity: str, **condition: Any) -> str:
        given = {"kind": "burnrate", "op": "gt", "threshold": 2, "lookbackWindow": "1h", **condition}
        inner = {"severity": severity, "condition": given}
        conditions = [{"kind": "AlertCondition", "metadata": {"name": "c"}, "spec": inner}]
        targets = [{"targetRef": "mailing-list"}]
        return document("AlertPolicy", "p", {"conditions": conditions, "notificationTargets": targets})

    def test_that_are_tickets_only_make_a_ticket(self) -> None:
        said = read(slo(alertPolicies=[{"alertPolicyRef": "p"}]) + self.policy("ticket"))
        assert only(said)["severity"] == "ticket"

    def test_with_other_windows_are_told(self) -> None:
        said = notes(slo(alertPolicies=[{"alertPolicyRef": "p"}]), self.policy("page"))
        where = "AlertPolicy[p].spec.conditions[0].spec.condition"
        assert said[where].startswith("burnrate gt 2 over 1h is not kept: Sluice sends a page at 13.44x over")
        assert "AlertPolicy[p].spec.notificationTargets[0].targetRef" in said

    def test_with_sluices_windows_are_kept(self) -> None:
        same = self.policy("page", threshold=13.44)
        said = notes(slo(alertPolicies=[{"alertPolicyRef": "p"}]), same)
        assert "AlertPolicy[p].spec.conditions[0].spec.condition" not in said

    def test_that_are_missing_do_not_page_unsaid(self) -> None:
        assert "Sluice sends a page at 13.44x" in notes(slo())[f"{SPEC}.alertPolicies"]


class TestTheFile:
    """What stands around the objects."""

    def test_tells_what_no_slo_refers_to(self) -> None:
        spare = document("SLI", "spare", ratio())
        assert notes(slo(), spare)["SLI[spare]"] == "is not kept: no SLO of this file refers to it"

    def test_tells_labels_and_annotations_of_others(self) -> None:
        said = notes(slo(metadata={"labels": {"env": "prod"}, "annotations": {"other.org/folder": "x"}}))
        assert {"SLO[mail].metadata.labels.env", "SLO[mail].metadata.annotations.other.org/folder"} < set(
            said
        )

    def test_refuses_an_annotation_that_would_be_sluices(self) -> None:
        said = problems(slo(metadata={"annotations": {"sluice/treshold-ms": "3"}}))
        assert list(said) == ["SLO[mail].metadata.annotations.sluice/treshold-ms"]

    def test_refuses_doubles_other_versions_and_other_kinds(self) -> None:
        older = slo().replace("openslo/v1", "openslo/v1alpha")
        journey = document("Journey", "j", {})
        assert sorted(problems(slo(), slo(), older, journey, "---\n- 5\n")) == [
            "documents[1].metadata.name",
            "documents[2].apiVersion",
            "documents[3].kind",
            "documents[4][0]",
        ]

    def test_may_be_a_list_and_of_the_kubernetes_group(self) -> None:
        text = slo().replace("openslo/v1", "openslo.com/v1").removeprefix("---\n")
        listed = "- " + text.replace("\n", "\n  ").rstrip() + "\n"
        assert only(read(listed))["name"] == "mail"

    def test_without_an_slo_is_refused(self) -> None:
        assert problems(document("Service", "edge", {})) == {"": "the file holds no SLO"}

    def test_that_is_no_yaml_is_refused(self) -> None:
        with pytest.raises(Invalid, match="stands twice"):
            read("kind: SLO\nkind: SLI\n")

    def test_whose_aliases_stand_for_a_billion_values_is_refused(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

        with pytest.raises(Invalid, match="aliases stand for more than"):
            read("\n".join([*lines, "apiVersion: 1"]))

    def test_whose_anchor_holds_itself_is_refused(self) -> None:
        with pytest.raises(Invalid, match="an anchor holds itself"):
            read("a: &a [*a]")
