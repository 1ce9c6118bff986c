"""The exact change as a person reads it before it is made."""

from access.act import Line, difference


def test_the_common_path_of_a_change_is_said_once() -> None:
    found = difference(
        [
            "~ routes edge: hosts[shop].routes[shop].retry.num_retries: 2 -> 0",
            "~ routes edge: hosts[shop].routes[shop].retry.headers[:method].name: :method -> (none)",
        ]
    )

    assert found == [
        Line(where="routes edge hosts[shop].routes[shop].retry"),
        Line(before="num_retries: 2", after="num_retries: 0"),
        Line(before="headers[:method].name: :method"),
    ]


def test_changes_of_several_things_are_said_as_they_are() -> None:
    changes = ["~ routes edge: a.b: 1 -> 2", "+ cluster shop-v3"]

    assert difference(changes) == [Line(where=changes[0]), Line(where=changes[1])]


def test_no_change_is_no_line() -> None:
    assert difference([]) == []
