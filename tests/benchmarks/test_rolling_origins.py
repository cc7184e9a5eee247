"""Rolling origins on the generator: what more origins change."""

from benchmarks.rolling_origins import CASES, World, accepted


def wrong(name, origins, seeds=30):
    case = CASES[name]
    return sum(accepted(World.drawn(case, seed), case, origins) is not case.good for seed in range(seeds))


def test_more_origins_find_more_worse_recipes():
    assert wrong("recipe_worse_by_one_percent", 4) < wrong("recipe_worse_by_one_percent", 1)


def test_no_number_of_origins_refuses_a_renewal_with_the_same_recipe():
    assert wrong("renewal_after_a_jump", 1) == wrong("renewal_after_a_jump", 4) == 0
