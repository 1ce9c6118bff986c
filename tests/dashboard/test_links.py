"""Sentences that lead to what they speak of."""

from dashboard.templatetags.figures import linked


def test_a_sentence_links_what_it_names_and_escapes_the_rest() -> None:
    said = linked("Rollout 3 of <b> is running; run 2 waits, runbook retry-storm does not")

    assert said == (
        '<a href="/rollouts/3/">Rollout 3</a> of &lt;b&gt; is running; <a href="/runs/2/">run 2</a> waits, '
        "runbook retry-storm does not"
    )
