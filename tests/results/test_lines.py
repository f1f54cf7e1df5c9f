"""A line for each answer, whatever the files are called."""

import csv
import json
import os

from focus_mmdet.results.lines import COLUMNS, CsvResults, JsonLines


def test_names_of_any_bytes_come_back_from_json_lines(tmp_path, photos, located):
    found = [located(path) for path in photos]
    with JsonLines(tmp_path / 'found.jsonl') as results:
        for each in found:
            results.write(each)
    content = (tmp_path / 'found.jsonl').read_bytes()
    assert content.isascii()
    lines = [json.loads(line) for line in content.splitlines()]
    assert lines == [each.record() for each in found]
    assert all(os.path.isfile(line['query']) for line in lines)
    assert lines[0]['box'] == [8.2, 4, 40.5, 30]


def test_a_row_for_each_answer_whatever_is_in_it(tmp_path, photos, located):
    found = [*map(located, photos), located('gone.png', None, 0.3, absent=True, reference='=HYPERLINK("x")')]
    with CsvResults(tmp_path / 'found.csv') as results:
        for each in found:
            results.write(each)
    with open(tmp_path / 'found.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found)
    assert set(rows[0]) == set(COLUMNS)
    named = [os.path.normpath(row['query']) for row in rows[:-1]]
    assert [name.replace('\\udce9', '\udce9') for name in named] == photos
    assert [row['x1'] for row in rows] == ['8.2'] * len(photos) + ['']
    assert (rows[-1]['score'], rows[-1]['absent'], rows[-1]['frame']) == ('0.3', '1', '')
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ('=', '+', '-', '@')]
