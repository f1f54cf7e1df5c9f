"""Put the figures of benchmarks/results into docs/measurements.md.

    python benchmarks/results_page.py

They stand between two comments of the page; the rest of it is written by hand.
"""

import json
from pathlib import Path
from typing import Any

from steps import STEPS, Figure, Step

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / 'benchmarks/results', ROOT / 'docs/measurements.md'
BEGIN, END = '<!-- by benchmarks/results_page.py -->', '<!-- end -->'
#: Of a card that there are no results of.
NONE_YET: dict[str, Any] = {'card': 'a GPU', 'steps': {}}


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Of each card; the CPU first, then GPUs or one that has not run."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))]
    cpu = [results for results in found if results['card'] == 'cpu']
    return cpu + ([results for results in found if results['card'] != 'cpu'] or [NONE_YET])


def number(value: float) -> str:
    """Three digits."""
    if value and abs(value) < 1e-3:
        return f'{value:.0e}'
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


def cell(figure: Figure, record: dict[str, Any]) -> str:
    """A figure and in brackets its ratio, in bold where it misses its limit."""
    row = next((row for row in record.get('figures', ()) if row['name'] == figure.name), None)
    if row is None:
        return ''
    ratio = f' ({row["ratio"]:.3f})' if 'ratio' in row else ''
    text = f'{number(row["figure"])} {figure.unit}'.strip() + ratio
    return text if figure.is_met(row) else f'**{text}**'


def state(step: Step, results: dict[str, Any]) -> str:
    """Of a step on a card, where there are no figures."""
    if (step.cpu if results['card'] == 'cpu' else step.gpu) is None:
        return '-'
    record = results['steps'].get(step.name)
    return 'has not run' if record is None else record.get('failed', '')


def commands(step: Step) -> str:
    """What a step runs, on either."""
    if step.cpu is None:
        return f'`{step.command(step.gpu or "")}`'
    on_gpu = '' if step.gpu in (None, step.cpu) else f'; on a GPU `{step.gpu}`'
    return f'`{step.command(step.cpu)}`{on_gpu}'


def rows(step: Step, cards: list[dict[str, Any]]) -> list[list[str]]:
    """Of the table: a heading, then one for each figure that some card can show."""
    head = [f'**{step.title}** {commands(step)}', '', '', *(state(step, results) for results in cards)]
    records = [results['steps'].get(step.name, {}) for results in cards]
    return [head] + [
        [figure.what, figure.against, figure.limit, *(cell(figure, record) for record in records)]
        for figure in step.figures
    ]


def versions(results: dict[str, Any]) -> str:
    """A sentence on what a card's figures were measured with."""
    records = list(results['steps'].values())
    packages = sorted(
        {f'{name} {number}' for record in records for name, number in record['versions'].items()}
    )
    return f'{heading(results)}, {records[0]["cores"]} cores: {", ".join(packages)}.'


def heading(results: dict[str, Any]) -> str:
    """A card's name."""
    return results['card'].replace('cpu', 'CPU')


def tables(folder: Path) -> str:
    """All that stands between the two comments."""
    cards = read_results(folder)
    lines = [
        ['', 'compared with', 'limit', *map(heading, cards)],
        ['---'] * (3 + len(cards)),
        *(row for step in STEPS for row in rows(step, cards)),
    ]
    notes = [versions(results) for results in cards if results['steps']]
    return '\n'.join(['| ' + ' | '.join(line) + ' |' for line in lines] + ['', *notes])


def rewritten(page: str, folder: Path) -> str:
    """The page with today's figures."""
    before, rest = page.split(BEGIN)
    return f'{before}{BEGIN}\n\n{tables(folder)}\n\n{END}{rest.split(END)[1]}'


def main() -> None:
    PAGE.write_text(rewritten(PAGE.read_text(), RESULTS))


if __name__ == '__main__':
    main()
