"""No scenario of the library without a test, no test without a scenario."""

from library import FILES, names_with_tests


def test_every_scenario_has_a_test():
    assert len(FILES) >= 44
    assert sorted(set(FILES) - names_with_tests()) == []


def test_every_test_has_its_scenario():
    assert sorted(names_with_tests() - set(FILES)) == []
