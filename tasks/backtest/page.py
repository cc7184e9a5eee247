"""The page of a backtest: one HTML file that needs neither a server nor the network."""

from pathlib import Path

from releases.files import write_atomically
from tasks.backtest.plots import plot_costs, plot_losses, plot_retrains
from tasks.backtest.report import BacktestReport
from tasks.runtime.pages import render_page

PAGE_FILE = "backtest.html"
TEMPLATE = "backtest.html.jinja"


def write_page(report: BacktestReport, folder: Path) -> Path:
    """Write the page into `folder`, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {"losses": plot_losses(report), "retrains": plot_retrains(report), "costs": plot_costs(report)}
    page = folder / PAGE_FILE
    write_atomically(page, render_page(Path(__file__).parent, TEMPLATE, report=report, plots=plots).encode())
    return page
