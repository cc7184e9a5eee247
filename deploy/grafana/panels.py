"""Charts and numbers of the dashboards, and a dashboard of rows of them."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Panel, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WIDTH = 8, 24  # of a panel, and of a row, in Grafana's grid
_PIPELINES = "label_values(gateway_release_generation_active, pipeline)"


def chart(title: str, unit: str, queries: Mapping[str, str], description: str = "", width: int = 12) -> Builder[Panel]:
    """Lines over time; `queries` are PromQL by the legend of their lines."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).datasource(SOURCE)
    for number, (legend, query) in enumerate(queries.items()):
        target = prometheus.Dataquery().expr(query).legend_format(legend).ref_id(chr(ord("A") + number))
        panel = panel.with_target(target.datasource(SOURCE))
    return panel.min(0).fill_opacity(10).span(width).height(HEIGHT)


def number(
    title: str, unit: str, query: str, description: str = "", legend: str = "", width: int = 6
) -> Builder[Panel]:
    """The present value of a query."""
    target = prometheus.Dataquery().expr(query).legend_format(legend).instant().ref_id("A").datasource(SOURCE)
    panel = stat.Panel().title(title).description(description).unit(unit).datasource(SOURCE).with_target(target)
    return panel.span(width).height(HEIGHT // 2)


def dashboard_json(title: str, uid: str, rows: Mapping[str, Sequence[Builder[Panel]]]) -> str:
    """The dashboard with a choice of data source and pipeline, as the JSON that Grafana imports."""
    pipelines = dashboard.QueryVariable("pipeline").query(_PIPELINES).datasource(SOURCE)
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["autopilot"])
        .time("now-1h", "now")
        .refresh("10s")
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(pipelines.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED))
    )
    for name, panels in rows.items():
        board = board.with_row(dashboard.Row(name))
        for panel in panels:
            board = board.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"
