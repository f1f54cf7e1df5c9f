"""The parts share no object and no video, however those are chained."""

import json

from tests.dataset_converters.conftest import write_frame


def test_what_is_chained_by_objects_and_videos_stays_together(convert, tmp_path):
    links = [(1, 'a'), (2, 'b'), (3, 'c'), (2, 'a'), (4, 'd'), (3, 'b'), (5, 'e'), (6, 'e'), (7, 'f')]
    images = [
        dict(id=number, file_name=f'{number}.png', width=40, height=30, video_id=video, frame_id=number)
        for number, (_, video) in enumerate(links)
    ]
    annotations = [
        dict(id=number, image_id=number, instance_id=instance, bbox=[1, 2, 3, 4])
        for number, (instance, _) in enumerate(links)
    ]
    for image in images:
        write_frame(tmp_path / image['file_name'])
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    found = set()
    for seed in range(8):
        done = convert('split_by_instance', path, '--test-fraction', '0.25', '--seed', seed)
        assert done.status == 0, done.err
        test = json.loads((tmp_path / 'test.json').read_text())
        found.add(tuple(sorted({record['instance_id'] for record in test['annotations']})))
    assert found <= {(1, 2, 3), (4,), (5, 6), (7,)}
    assert len(found) > 1
