"""Large JSON: records come one by one, and are regrouped without memory for all of them."""

import json
import tracemalloc

import pytest

from focus_mmdet.datasets.conversion import json_records
from focus_mmdet.datasets.conversion.drop_counter import DropCounter
from focus_mmdet.datasets.conversion.json_records import DiskGroups, read_names, stream_records
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


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        ('{"a": [1]}'.encode('utf-16'), 'is UTF-16 text'),
        (b'\x1f\x8b\x08', 'is compressed'),
        (b'{"a": [9223372036854775808]}', 'a whole number beyond 64 bits, before byte 28. Give shorter ids$'),
        (b'{"a": [NaN]}', r'\(lexical error: invalid char in json text., before byte 12\)$'),
        (b'{"a": [1e400]}', r'overflow, before byte 14\)$'),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, content, message):
    (tmp_path / 'x.json').write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(stream_records(tmp_path / 'x.json', 'a', ''))


def test_the_mark_of_utf8_is_passed_over(tmp_path):
    (tmp_path / 'x.json').write_text('{"a": [1]}', encoding='utf-8-sig')
    assert list(stream_records(tmp_path / 'x.json', 'a', '')) == [1]


def test_without_ijson_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, 'ijson', None)
    with pytest.raises(InputError, match='pip install ijson'):
        next(stream_records(tmp_path / 'x.json', 'a', ''))


def test_an_id_with_two_names_is_refused(tmp_path):
    (tmp_path / 'x.json').write_text('{"a": [{"id": 1, "name": "dog"}, {"id": 1, "name": "cat"}]}')
    with pytest.raises(InputError, match="a: id 1 is 'dog' and 'cat'"):
        read_names(DropCounter(), tmp_path / 'x.json', 'a', '')


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
