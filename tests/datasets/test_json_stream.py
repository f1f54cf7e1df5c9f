import json
import sys
import tracemalloc

import pytest

from focus_mmdet.datasets.coco_images import CocoImages
from focus_mmdet.datasets.json_stream import stream_list
from focus_mmdet.errors import InputError


def test_lists_are_read_item_by_item_with_plain_numbers(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text('{"a": [{"x": 1.5, "y": [2]}, {}], "b": {"a": [{"z": 1}]}}')
    assert list(stream_list(path, 'a')) == [{'x': 1.5, 'y': [2]}, {}]
    assert type(next(stream_list(path, 'a'))['x']) is float
    assert list(stream_list(path, 'b')) == list(stream_list(path, 'c')) == []


def test_what_cannot_be_read_is_said(tmp_path, monkeypatch):
    path = tmp_path / 'x.json'
    path.write_text('{"a": [{"x": 1}, {"x"')
    items = stream_list(path, 'a')
    assert next(items) == {'x': 1}
    with pytest.raises(InputError, match='not valid JSON'):
        next(items)
    with pytest.raises(InputError, match='no such file'):
        next(stream_list(tmp_path / 'gone.json', 'a'))
    monkeypatch.setitem(sys.modules, 'ijson', None)
    with pytest.raises(InputError, match='pip install ijson'):
        next(stream_list(path, 'a'))


def test_memory_does_not_grow_with_the_annotations(tmp_path):
    def peak(count):
        path = tmp_path / f'{count}.json'
        images = [dict(id=i, file_name=f'{i}.jpg', width=9, height=9) for i in range(count)]
        boxes = [dict(id=i, image_id=i // 5, category_id=1, bbox=[0, 0, 5, 5]) for i in range(5 * count)]
        path.write_text(json.dumps(dict(images=images, annotations=boxes)))
        del images, boxes
        tracemalloc.start()
        seen = sum(len(annotations) for _, annotations in CocoImages(path, lambda *_: None))
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert seen == 5 * count
        return high

    peak(100)
    assert peak(1600) < 2 * peak(200)
