"""Every setting is described, wherever it is nested, and docs/configuration.md has what the models say."""

from pydantic import BaseModel, Field

from tasks.config.describe import PAGE, generated, keys_of, page_with
from tasks.config.pipeline import Pipeline
from tasks.config.policy_section import PolicyFile
from tasks.config.settings import Settings


class Leaf(BaseModel):
    deep: int = 3


class Model(BaseModel):
    listed: tuple[Leaf, ...] = ()
    mapped: dict[str, Leaf | None] = Field(default={}, description="a map")


def test_the_walk_reaches_models_in_lists_maps_and_unions():
    keys = {key.path: (key.default, key.description) for key in keys_of(Model)}
    assert keys == {
        "listed": ("", ""),
        "listed[].deep": ("`3`", ""),
        "mapped": ("", "a map"),
        "mapped.NAME.deep": ("`3`", ""),
    }


def test_every_setting_is_described():
    keys = [*keys_of(Settings), *keys_of(Pipeline), *keys_of(PolicyFile)]
    paths = {key.path for key in keys}
    assert {"label.table", "release.stages[].weight", "sources[].paging.by", "retrain.search.parameters"} <= paths
    assert {"causes.NAME.limits.attempts_max", "alerts.routes.NAME.env", "maintenance[].except"} <= paths
    assert len(paths) > 120
    assert [key.path for key in keys if len(key.description) < 10] == []


def test_the_page_is_what_the_models_say():
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(generated(), page), "run python -m tasks.config.describe"
