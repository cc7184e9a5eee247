"""Write the figures of README.md and docs/benchmarks.md from the stored results, so that no number is typed by hand.

python -m benchmarks.readme
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.canaries.table import delays_table, mistakes_table
from benchmarks.result import PROJECT, Figure, read

README = PROJECT / "README.md"
PAGES = (README, PROJECT / "docs" / "benchmarks.md")
BLOCK = re.compile(r"(<!-- figures: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SERVERS = {"mlflow": "`mlflow models serve`", "mlserver": "MLServer", "litserve": "LitServe", "bentoml": "BentoML"}


def demo_figures(figures: Mapping[str, Figure]) -> str:
    """The demo's figures as a table of incidents and a sentence on requests and rows."""
    causes = [name.removesuffix("_remedies") for name in figures if name.endswith("_remedies")]
    rows = [
        "| incident | remedies | detected | mitigated | recovered |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {cause} | {figures[f'{cause}_remedies']} | "
            + " | ".join(
                _seconds(figures[f"{cause}_{moment}_seconds"]) for moment in ("detected", "mitigated", "recovered")
            )
            + " |"
            for cause in causes
        ),
    ]
    summary = (
        f"{figures['requests_total']:,} requests in one run: {figures['requests_good']:,} answered by champion or "
        f"challenger, {figures['requests_degraded']:,} by a fallback, {figures['requests_failed']} failed, "
        f"{figures['requests_wrong']} wrong. {figures['rows_received']:,} rows received: {figures['rows_accepted']:,} "
        f"accepted, {figures['rows_quarantined']:,} quarantined, {figures['rows_duplicates']:,} duplicates. "
        f"The run took {figures['demo_seconds']} seconds."
    )
    return "\n".join(rows) + f"\n\n{summary}\n"


def server_figures(result: Mapping[str, Any]) -> str:
    """The gateway and its peers: throughput and p99 with 64 clients, p50 with one client, and the speed ratio."""
    measured = {"gateway": result["figures"], **result["peers"]}
    fastest = float(measured["gateway"]["requests_per_second"])
    rows = [
        "| server | requests per second, 64 clients | p99, 64 clients | p50, one client | the gateway is faster by |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {_SERVERS.get(name, 'this gateway, everything on')} | {figures['requests_per_second']:,.0f} | "
            f"{figures['p99_ms']:,.0f} ms | {figures['one_client_p50_ms']:.1f} ms | "
            f"{fastest / float(figures['requests_per_second']):.1f} |"
            for name, figures in measured.items()
        ),
    ]
    return "\n".join(rows) + "\n"


def goal_figures(result: Mapping[str, Any]) -> str:
    """Every goal of a benchmark with the measured figure, missed goals included."""
    rows = ["| figure | goal | found | |", "|---|---|---:|---|"]
    for figure, (comparison, bound) in result["goals"].items():
        found = result["figures"].get(figure)
        reached = isinstance(found, int | float) and _COMPARED[comparison](found, bound)
        rows.append(f"| `{figure}` | {comparison} {bound} | {found} | {'' if reached else 'missed'} |")
    return "\n".join(rows) + f"\n\nRevision `{result['revision']}`, {result['machine']['cores']} cores.\n"


def fault_figures(result: Mapping[str, Any]) -> str:
    """Failed requests and seconds to the first good answer, per fault and server."""
    measured = {"gateway": result["figures"], **result["peers"]}
    faults = [
        name.removesuffix("_first_good_seconds") for name in measured["gateway"] if name.endswith("_first_good_seconds")
    ]
    rows = [
        "| server | " + " | ".join(fault.replace("_", " ") for fault in faults) + " |",
        "|---" * (len(faults) + 1) + "|",
    ]
    for name, figures in measured.items():
        cells = (
            f"{figures[f'{fault}_requests_failed']} failed, {figures[f'{fault}_first_good_seconds']} s"
            for fault in faults
        )
        rows.append(f"| {_SERVERS.get(name, 'this gateway')} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def processor_figures(result: Mapping[str, Any]) -> str:
    """Where the processor time of a request goes, part by part, and the model alone beside it."""
    figures = result["figures"]
    total = float(figures["processor_ms_per_request"])
    rows = ["| part | process | ms per request | share |", "|---|---|---:|---:|"]
    rows += [
        f"| {shown} | {where} | {figures[name]:.4f} | {figures[name] / total:.0%} |"
        for name, (shown, where) in _PARTS.items()
    ]
    return (
        "\n".join(rows) + f"\n| all | | {total:.4f} | |\n"
        f"| the model alone, in batches of {figures['model_alone_rows_per_batch']:.0f} rows | | "
        f"{figures['model_alone_ms_per_row']:.4f} | |\n\n"
        f"By the kernel's count: the router's event loop {figures['router_loop_ms']:.4f} ms, its other threads "
        f"{figures['router_threads_ms']:.4f} ms, the worker {figures['worker_ms']:.4f} ms. "
        f"{figures['requests_per_batch']:.1f} requests per batch.\n"
    )


_PARTS = {
    "part_model_ms": ("the model, in the gateway's batches", "worker"),
    "part_read_ms": ("read and check the body", "router"),
    "part_queue_ms": ("queue: into a batch and out of it", "router"),
    "part_pipe_ms": ("pipe: encode and decode rows and answers", "router and worker"),
    "part_log_ms": ("log: encode the row, append it", "router"),
    "part_router_ms": ("HTTP, routing, guards, event loop, system calls", "router and worker"),
}


_FLAVOURS = {
    "sklearn_skops": "scikit-learn (skops)",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "catboost": "CatBoost",
    "onnx": "ONNX",
}


def flavour_figures(result: Mapping[str, Any]) -> str:
    """One row per flavour of models that was measured."""
    figures = result["figures"]
    rows = ["| flavour | load (s) | memory of the process that is not shared (MiB) | one row (ms) |"]
    rows += ["|---|---:|---:|---:|"]
    for name, shown in _FLAVOURS.items():
        measured = [figures.get(f"{name}_{each}") for each in ("load_seconds", "memory_mib", "row_ms")]
        if None not in measured:
            rows.append("| " + " | ".join(map(str, [shown, *measured])) + " |")
    return "\n".join([*rows, "", f"Revision `{result['revision']}`, {result['machine']['cores']} cores.", ""])


def beside_figures(result: Mapping[str, Any], peer: str) -> str:
    """Every figure of a benchmark, beside that of one peer."""
    now, before = result["figures"], result["peers"][peer]
    rows = [f"| figure | {peer} | now |", "|---|---:|---:|"]
    rows += [f"| `{name}` | {_shown(before, name)} | {_shown(now, name)} |" for name in now]
    return "\n".join(rows) + "\n"


def _shown(figures: Mapping[str, Figure], name: str) -> str:
    """A figure; "never" for a time that no trial reached, "-" for one that was not measured."""
    if name not in figures:
        return "-"
    return "never" if figures[name] is None else str(figures[name])


def alarm_figures(result: Mapping[str, Any]) -> str:
    """False alarms per month by kind of week, of our verdict and of Evidently's two verdicts."""
    figures = result["figures"]
    worlds = {
        "held_out": "held-out weeks",
        "shuffled": "shuffled weeks",
        "shuffled_small": "shuffled weeks, 1,000 rows",
    }
    rows = [
        (
            "| false alarms per month, one week per window | windows | ours | Evidently, any column |"
            " Evidently, half the columns |"
        ),
        "|---|---:|---:|---:|---:|",
        *(
            f"| {shown} | {figures[f'{world}_windows']} | "
            + " | ".join(
                f"{figures[f'{world}_alarms_a_month_{judge}']:.2f}"
                for judge in ("ours", "preset_column", "preset_dataset")
            )
            + " |"
            for world, shown in worlds.items()
        ),
    ]
    return "\n".join(rows) + "\n"


def power_figures(result: Mapping[str, Any]) -> str:
    """How often the changed column is named, per dose, by our verdict and by Evidently's."""
    ours, theirs = result["figures"], result["peers"]["evidently"]
    rows = ["| drift, dose and columns | ours | Evidently |", "|---|---:|---:|"]
    for name in theirs:
        shown = name.removeprefix("power_").removesuffix("_share").replace("_", " ")
        rows.append(f"| {shown} | {ours[name]:.0%} | {theirs[name]:.0%} |")
    return "\n".join(rows) + "\n"


def quality_figures(result: Mapping[str, Any]) -> str:
    """How often the quality check fails, by the size of the concept shift."""
    rows = ["| concept shift | FAIL |", "|---|---:|"]
    for name, share in result["figures"].items():
        if name.startswith("quality_"):
            shown = name.removeprefix("quality_").removesuffix("_failed_share")
            rows.append(f"| {_LAWS[shown.split('_')[0]].format(shown.split('_')[1])} | {share:.0%} |")
    return "\n".join(rows) + "\n"


_LAWS = {"relation": "relation weakened by {}", "odds": "log-odds raised by {}"}


def replay_figures(result: Mapping[str, Any]) -> str:
    """Log-loss, retrains and promotions of each policy in the replay."""
    lives = {name: figures for name, figures in result["peers"].items() if "retrains" in figures}
    figures = result["figures"]
    lives["ours"] = {name: figures[f"replay_ours_{name}"] for name in lives["never"]}
    rows = [
        "| policy | log-loss | AUC | retrains | promotions | of them wrong |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {life['log_loss']:.5f} | {life['auc']:.4f} | {life['retrains']} | {life['promotions']} | "
            f"{life['wrong_promotions']} |"
            for name, life in sorted(lives.items(), key=lambda item: float(item[1]["log_loss"]))
        ),
    ]
    return "\n".join(rows) + "\n"


def origin_figures(result: Mapping[str, Any]) -> str:
    """Share of wrong decisions per kind of candidate and number of origins."""
    figures = result["figures"]
    suffix = re.compile(r"_(\d)_origins_(refused|accepted)_share$")
    shares: dict[str, dict[str, Figure]] = {}
    for name, share in figures.items():
        found = suffix.search(name)
        if found is not None:
            row = f"{name[: found.start()].replace('_', ' ')}: {found[2]}"
            shares.setdefault(row, {})[found[1]] = share
    columns = list(next(iter(shares.values())))
    rows = [
        f"| candidate | {' | '.join(f'{each} origins' for each in columns)} |",
        "|---" + "|---:" * len(columns) + "|",
    ]
    rows += [
        f"| {row} | " + " | ".join(f"{float(by[each] or 0):.1%}" for each in columns) + " |"
        for row, by in shares.items()
    ]
    return "\n".join(rows) + f"\n\n{figures['seeds']} seeds, revision `{result['revision']}`.\n"


def search_figures(result: Mapping[str, Any]) -> str:
    """Mean gain (and the worst) of each search over the estimator as written, per set of rows."""
    by_method = {"ours": result["figures"], **result["peers"]}
    sets = [name.removesuffix("_origins") for name in result["figures"] if name.endswith("_origins")]
    rows = ["| rows | origins | " + " | ".join(by_method) + " |", "|---|---:" + "|---:" * len(by_method) + "|"]
    for name in sets:
        shown = [
            f"{found[f'{name}_gain_mean']:+.4f} ({found[f'{name}_gain_worst']:+.4f}), "
            f"{found[f'{name}_replaced']} replaced"
            for found in by_method.values()
        ]
        rows.append(f"| {name.replace('_', ' ')} | {result['figures'][f'{name}_origins']} | {' | '.join(shown)} |")
    return "\n".join(rows) + f"\n\nRevision `{result['revision']}`.\n"


def renewal_figures(result: Mapping[str, Any]) -> str:
    """Cost area over the optimum's, per stream and policy."""
    figures, peers = result["figures"], result["peers"]
    names = [name.removesuffix("_seeds") for name in figures if name.endswith("_seeds")]
    rows = ["| stream | seeds | ours, cost = price | " + " | ".join(peers).replace("_", " ") + " |"]
    rows += ["|---|---:" + "|---:" * (1 + len(peers)) + "|"]
    for name in names:
        found = [figures[f"{name}_over_optimum"], *(peer[f"{name}_over_optimum"] for peer in peers.values())]
        shown = " | ".join(f"{float(each):.3f}" for each in found)
        rows.append(f"| {name} | {figures[f'{name}_seeds']} | {shown} |")
    return "\n".join(rows) + f"\n\nRevision `{result['revision']}`.\n"


_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda found, bound: found <= bound,
    ">=": lambda found, bound: found >= bound,
    "==": lambda found, bound: found == bound,
}
_BLOCKS: dict[str, Callable[[], str]] = {
    "demo": lambda: demo_figures(read("demo")["figures"]),
    "gateway": lambda: server_figures(read("gateway")),
    "gateway-time": lambda: processor_figures(read("gateway_time")),
    "gateway-time-goals": lambda: goal_figures(read("gateway_time")),
    "gateway-goals": lambda: goal_figures(read("gateway")),
    "ingest-goals": lambda: goal_figures(read("ingest")),
    "faults-goals": lambda: goal_figures(read("faults")),
    "canary-mistakes": lambda: mistakes_table(read("canary")),
    "canary-delays": lambda: delays_table(read("canary")),
    "canary-goals": lambda: goal_figures(read("canary")),
    "drift-speed-goals": lambda: goal_figures(read("drift_speed")),
    "flavours": lambda: flavour_figures(read("flavours")),
    "healer": lambda: beside_figures(read("healer"), "before"),
    "healer-goals": lambda: goal_figures(read("healer")),
    "prefect-server": lambda: beside_figures(read("prefect_server"), "stock"),
    "prefect-server-goals": lambda: goal_figures(read("prefect_server")),
    "drift-alarms": lambda: alarm_figures(read("drift")),
    "drift-power": lambda: power_figures(read("drift")),
    "drift-quality": lambda: quality_figures(read("drift")),
    "drift-replay": lambda: replay_figures(read("drift")),
    "drift-goals": lambda: goal_figures(read("drift")),
    "rolling-origins": lambda: origin_figures(read("rolling_origins")),
    "search": lambda: search_figures(read("search")),
    "renewal": lambda: renewal_figures(read("renewal")),
    "renewal-goals": lambda: goal_figures(read("renewal")),
    "gateway-faults": lambda: fault_figures(read("gateway_faults")),
    "gateway-hour-goals": lambda: goal_figures(read("gateway_hour")),
}


def with_figures(page: str) -> str:
    """`page` with its blocks of figures updated; KeyError for a block without a benchmark."""
    return BLOCK.sub(lambda found: found[1] + _written(found[2]) + found[3], page)


def _written(block: str) -> str:
    """The figures of the block, or a sentence that its benchmark was not run yet."""
    try:
        return _BLOCKS[block]()
    except FileNotFoundError as exc:
        return f"Not measured yet: `{Path(exc.filename).name}` does not exist.\n"


def _seconds(figure: Figure) -> str:
    return "-" if figure is None else f"{figure:.1f} s"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_figures(page.read_text()))
