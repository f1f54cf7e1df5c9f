"""Large JSON: records come one by one, and are regrouped without memory for all of them."""

import json
import tracemalloc

import pytest

from focus_mmdet.datasets import json_records
from focus_mmdet.datasets.json_records import DiskGroups, stream_records
from focus_mmdet.errors import InputError


def test_records_come_one_by_one_with_plain_numbers_until_the_fault(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text('{"b": {"a": [{"z": 1}]}, "a": [{"x": 1.5}, {"x"')
    records = stream_records(path, 'a', '')
    first = next(records)
    assert first == {'x': 1.5}
    assert type(first['x']) is float
    with pytest.raises(InputError, match='not valid JSON'):
        next(records)


def test_without_ijson_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, 'ijson', None)
    with pytest.raises(InputError, match='pip install ijson'):
        next(stream_records(tmp_path / 'x.json', 'a', ''))


def test_groups_come_back_in_order_and_once():
    groups = DiskGroups()
    for number in range(6):
        assert groups.add(number, number % 2, {'n': number})
    assert not groups.add(3, 0, {'n': 'again'})
    assert [record['n'] for record in groups.take(1)] == [1, 3, 5]
    assert groups.take(1) == []


def test_memory_does_not_grow_with_the_number_of_records(tmp_path):
    path = tmp_path / 'big.json'

    def peak(count):
        records = [dict(id=number, image_id=number % 100, segmentation='x' * 200) for number in range(count)]
        path.write_text(json.dumps(dict(annotations=records)))
        del records
        tracemalloc.start()
        groups = DiskGroups()
        for record in stream_records(path, 'annotations', ''):
            groups.add(record['id'], record['image_id'] * count + record['id'] // 100, record)
        for record in stream_records(path, 'annotations', ''):
            assert groups.take(record['image_id'] * count + record['id'] // 100) == [record]
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    peak(500)
    assert peak(10000) < 2 * peak(500)
