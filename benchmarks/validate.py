"""Writes docs/validation.md, its figures and the list of rows left out: predicted against measured, from public data.

python benchmarks/validate.py ../shared/data [--out docs]
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validation.page import Validation

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
NEEDED = (
    "inferencex_silicon/silicon_calibration.csv",
    "splitwise/perf_model.csv",
    "acme/server_power.csv",
    "acme/gpu_power_kalos.csv",
    "acme/gpu_power_seren.csv",
    "mlperf_inference/mlperf_inference_power.csv",
    "mlperf_inference/mlperf_inference_perf.csv",
    "published_tables/inferencex_compare_points.csv",
)


def main() -> int:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy: the same sums in the same order every time
        os.environ.setdefault(name, "1")
    from gigawatt.catalog.load import load_catalog
    from gigawatt.core.errors import GigawattError
    from gigawatt.perf.calibrate import write
    from validation.page import left_out_csv, page, validate

    parser = argparse.ArgumentParser(description="Write docs/validation.md from a folder of public measurements.")
    parser.add_argument("data", type=Path, help="folder of measurements, ../shared/data")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs", help="folder to write into")
    parser.add_argument("--calibration", type=Path, help="folder to write the fit of inference into, too")
    asked = parser.parse_args()
    missing = [name for name in NEEDED if not (asked.data / name).is_file()]
    if missing:
        print(f"nothing is written: {asked.data} lacks {', '.join(missing)}", file=sys.stderr)
        print("give the folder that holds them: make validate DATA=DIR", file=sys.stderr)
        return 1
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {text}", file=sys.stderr, flush=True)

    catalog = load_catalog()
    shipped = catalog.entries["calibration"].get("inference-2026")
    today = getattr(shipped, "fitted", "") or datetime.date.today().isoformat()
    try:
        found = validate(asked.data, catalog, today, say)
    except GigawattError as error:
        print(f"nothing is written: {error}", file=sys.stderr)
        return 1
    say("writing")
    (asked.out / "figures").mkdir(parents=True, exist_ok=True)
    (asked.out / "validation.md").write_text(page(found, catalog), encoding="utf-8")
    (asked.out / "validation-left-out.csv").write_text(left_out_csv(found), encoding="utf-8")
    if asked.calibration:
        say(f"{write(found.inference.calibration, asked.calibration, 'inference')} is written")
    draw(found, asked.out / "figures", say)
    say(f"{asked.out / 'validation.md'} is written")
    return 0


def draw(found: Validation, folder: Path, say: Callable[[str], None]) -> None:
    """Pictures of the figures; without a browser the old ones stay."""
    from gigawatt.catalog.load import load_catalog
    from validation.figures import figures, picture_page

    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if browser is None:
        say(f"no browser ({', '.join(BROWSERS)}): the pictures in {folder} stay as they were")
        return
    with tempfile.TemporaryDirectory() as scratch:
        for name, figure in figures(found, load_catalog()).items():
            say(f"drawing {name}")
            html, width, height = picture_page(figure)
            source, target = Path(scratch) / f"{name}.html", Path(scratch) / f"{name}.png"
            source.write_text(html, encoding="utf-8")
            words = [
                browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
                "--hide-scrollbars", "--force-device-scale-factor=1.5", f"--window-size={width},{height}",
                "--virtual-time-budget=10000", f"--user-data-dir={scratch}/browser", f"--screenshot={target}",
                source.as_uri(),
            ]  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
            if target.is_file():
                shutil.copyfile(target, folder / f"{name}.png")
            else:
                say(f"{name}: the browser made no picture (exit {done.returncode}); the old one stays")


if __name__ == "__main__":
    raise SystemExit(main())
