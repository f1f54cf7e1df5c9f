"""The size in a record, the pixels for the model and what a person saw are of one picture."""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from focus_mmdet.datasets import image_file
from focus_mmdet.datasets.image_file import image_size, read_image, read_reduced
from focus_mmdet.datasets.unreadable_images import UnreadableImageError
from focus_mmdet.errors import InputError

Turn = Image.Transpose
#: How to store a picture that its tag turns back, by tag.
STORED = {
    1: None, 2: Turn.FLIP_LEFT_RIGHT, 3: Turn.ROTATE_180, 4: Turn.FLIP_TOP_BOTTOM, 5: Turn.TRANSPOSE,
    6: Turn.ROTATE_90, 7: Turn.TRANSVERSE, 8: Turn.ROTATE_270,
}  # fmt: skip
XMP = '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


def picture():
    """64 x 48, four colours, none of them in two places."""
    pixels = np.full((48, 64, 3), 20, np.uint8)
    pixels[:16, :32], pixels[:16, 32:], pixels[32:, :32] = (250, 30, 30), (30, 220, 30), (40, 60, 240)
    return Image.fromarray(pixels)


def tag(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def check(path, seen, tolerance=6.0):
    """Size and pixels are those of ``seen``."""
    assert image_size(str(path)) == seen.size
    loaded = read_image(str(path))[..., ::-1]
    assert loaded.shape[1::-1] == seen.size
    assert np.abs(loaded.astype(float) - np.asarray(seen.convert('RGB'))).mean() < tolerance


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tiff', 'avif'])
def test_a_turned_picture_is_read_as_it_is_seen(tmp_path, suffix):
    path = tmp_path / f'turned.{suffix}'
    if suffix == 'avif' and not (features.check('avif') and cv2.haveImageWriter('a.avif')):
        pytest.skip('this Pillow or OpenCV knows no AVIF')
    for orientation, turn in STORED.items():
        stored = picture() if turn is None else picture().transpose(turn)
        stored.save(path, exif=tag(orientation))
        check(path, picture())


def test_a_png_may_have_its_tag_behind_its_pixels(tmp_path):
    path = tmp_path / 'late.png'
    picture().transpose(Turn.ROTATE_90).save(path, exif=tag(6))
    content = path.read_bytes()
    start = content.index(b'eXIf') - 4
    stop = start + 12 + int.from_bytes(content[start : start + 4])
    rest, end = content[:start] + content[stop:-12], content[-12:]
    path.write_bytes(rest + content[start:stop] + end)
    check(path, picture())


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tiff'])
@pytest.mark.parametrize('orientation', [0, 9, 255])
def test_a_tag_without_a_meaning_turns_nothing(tmp_path, suffix, orientation):
    picture().save(tmp_path / f'a.{suffix}', exif=tag(orientation))
    check(tmp_path / f'a.{suffix}', picture())


def test_nor_does_a_broken_one_or_one_in_xmp_alone(tmp_path):
    info = PngInfo()
    info.add_itxt('XML:com.adobe.xmp', XMP)
    picture().save(tmp_path / 'a.png', pnginfo=info)
    picture().save(tmp_path / 'b.jpg', xmp=XMP.encode())
    picture().save(tmp_path / 'c.jpg', exif=b'Exif\0\0II*\0\xff')
    for name in ('a.png', 'b.jpg', 'c.jpg'):
        check(tmp_path / name, picture())


def test_other_kinds_of_pixels_keep_their_colours(tmp_path):
    grey = picture().convert('L')
    deep = np.asarray(picture())[..., ::-1].astype(np.uint16) * 257
    picture().convert('CMYK').save(tmp_path / 'cmyk.jpg')
    picture().quantize(8).save(tmp_path / 'palette.png', transparency=0)
    picture().quantize(8).save(tmp_path / 'palette.gif', transparency=0)
    picture().quantize(8).save(tmp_path / 'half_clear.png', transparency=bytes([0, 128, 255]))
    picture().convert('RGBA').save(tmp_path / 'alpha.png')
    cv2.imwrite(str(tmp_path / 'deep.png'), deep)
    cv2.imwrite(str(tmp_path / 'deep.tiff'), deep)
    names = 'cmyk.jpg', 'palette.png', 'palette.gif', 'half_clear.png', 'alpha.png', 'deep.png', 'deep.tiff'
    for name in names:
        check(tmp_path / name, picture())
    cv2.imwrite(str(tmp_path / 'deep_grey.tiff'), np.asarray(grey).astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / 'deep_grey.png'), np.asarray(grey).astype(np.uint16) * 257)
    grey.save(tmp_path / 'grey.jpg')
    picture().convert('LA').save(tmp_path / 'grey_alpha.png')
    for name in ('deep_grey.tiff', 'deep_grey.png', 'grey.jpg', 'grey_alpha.png'):
        check(tmp_path / name, grey)


@pytest.mark.parametrize('suffix', ['gif', 'webp', 'png', 'tiff'])
def test_of_an_animation_and_of_pages_the_first_is_read(tmp_path, suffix):
    others = [Image.new('RGB', (64, 48), 'white'), picture().transpose(Turn.ROTATE_180)]
    picture().save(tmp_path / f'moving.{suffix}', save_all=True, append_images=others)
    check(tmp_path / f'moving.{suffix}', picture())


@pytest.mark.parametrize('size', [(1, 1), (1, 5000), (5000, 1)])
def test_a_picture_may_be_a_line_or_a_point(tmp_path, size):
    Image.new('RGB', size, 'teal').save(tmp_path / 'thin.png')
    check(tmp_path / 'thin.png', Image.new('RGB', size, 'teal'))


def test_an_icon_is_read_though_opencv_knows_none(tmp_path):
    picture().save(tmp_path / 'a.ico', sizes=[(64, 48)])
    check(tmp_path / 'a.ico', picture())


def test_a_heic_is_read_as_it_turns_itself(tmp_path):
    pytest.importorskip('pillow_heif')
    for orientation, turn in STORED.items():
        stored = picture() if turn is None else picture().transpose(turn)
        stored.info['exif'] = tag(orientation).tobytes()
        stored.save(tmp_path / 'turned.heic', quality=90)
        check(tmp_path / 'turned.heic', picture())


@pytest.mark.parametrize('name', ['1.jpg', '6.jpg', '1.png'])
def test_a_jpeg_comes_as_small_as_is_enough_with_its_own_size(tmp_path, name):
    exif, path = Image.Exif(), str(tmp_path / name)
    exif[0x0112] = int(name[0])
    Image.new('RGB', (101, 50), 'teal').save(path, exif=exif)
    width, height = own = (50, 101) if name[0] == '6' else (101, 50)

    def is_enough(size, smaller):
        assert size == own
        return smaller[0] * 5 >= width

    pixels, size = read_reduced(path, is_enough)
    assert size == own
    assert pixels.shape == ((height, width, 3) if name == '1.png' else (-(-height // 4), -(-width // 4), 3))
    with pytest.raises(UnreadableImageError, match=r'gone\.jpg: cannot be read'):
        read_reduced(str(tmp_path / 'gone.jpg'), is_enough)


def large_png(side):
    """The beginning of one, with hardly any pixels behind it."""
    content = b'\x89PNG\r\n\x1a\n'
    header = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    for kind, data in ((b'IHDR', header), (b'IDAT', zlib.compress(bytes(1000))), (b'IEND', b'')):
        content += struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return content


def cut_off(kind):
    file = BytesIO()
    Image.effect_noise((200, 200), 60).convert('RGB').save(file, kind)
    return file.getvalue()[: len(file.getvalue()) // 2]


def in_32_bits(mode):
    file = BytesIO()
    Image.new(mode, (8, 8)).save(file, 'TIFF')
    return file.getvalue()


UNREADABLE = {
    'empty.jpg': (b'', 'the file is empty'),
    'page.jpg': (
        b'<!doctype html><title>404',
        r"no format that is known here; it begins with b'<!doctype html>",
    ),
    'drawing.eps': (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n', 'no format'),
    'phone.heic': (b'\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'pillow-heif'),
    'large.png': (large_png(20_000), r'its header states more than \d+ pixels, the most that are read'),
    'cut.jpg': (cut_off('JPEG'), 'cut off'),
    'cut.png': (cut_off('PNG'), 'cut off'),
    'cut.gif': (cut_off('GIF'), 'cut off'),
    'cut.tiff': (cut_off('TIFF'), 'cut off'),
    'cut.webp': (cut_off('WEBP'), 'decoder'),
    'float.tiff': (in_32_bits('F'), 'what is white is not known'),
    'whole.tiff': (in_32_bits('I'), 'what is white is not known'),
}


@pytest.mark.parametrize('name', UNREADABLE)
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path, name):
    content, reason = UNREADABLE[name]
    if name.endswith('heic') and 'HEIF' in Image.registered_extensions().values():
        pytest.skip('HEIC is read here')
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        UnreadableImageError, match=f'{name}: cannot be read as an image .*{reason}'
    ) as caught:
        read_image(str(tmp_path / name))
    assert caught.value.path == str(tmp_path / name)
    if 'cut' not in name and '.tiff' not in name:  # Their headers are sound.
        with pytest.raises(InputError, match=f'{name} cannot be read .*{reason}'):
            image_size(str(tmp_path / name))


def test_what_is_too_large_is_known_before_it_is_decoded(tmp_path, monkeypatch):
    (tmp_path / 'large.png').write_bytes(large_png(20_000))
    for decoder in ('cv2.imdecode', 'PIL.Image.Image.load'):
        monkeypatch.setattr(decoder, lambda *_, **__: pytest.fail('decoded'))
    with pytest.raises(UnreadableImageError, match='make it smaller'):
        read_image(str(tmp_path / 'large.png'))


def test_what_is_no_file_is_named(tmp_path):
    for name in ('gone.png', 'a' * 300 + '.png'):
        with pytest.raises(UnreadableImageError, match=f'{name}: cannot be read as an image'):
            read_image(str(tmp_path / name))
    with pytest.raises(InputError, match='does not exist'):
        image_size(str(tmp_path / ('a' * 300 + '.png')))


JPEGS = [
    dict(quality=90), dict(progressive=True), dict(comment=b'by hand'), dict(subsampling=0, optimize=True),
    dict(restart_marker_blocks=4), dict(exif=tag(6)), dict(exif=tag(1)), dict(icc_profile=b'x' * 200),
]  # fmt: skip


@given(st.sampled_from(JPEGS), st.sampled_from(['L', 'RGB', 'CMYK']), st.data())
@settings(max_examples=300)
def test_the_short_way_to_a_jpegs_size_is_the_long_one(options, mode, data):
    """Also where some of the header's bytes are wrong."""
    file = BytesIO()
    picture().convert(mode).save(file, 'JPEG', **options)
    content = bytearray(file.getvalue())
    for place in data.draw(st.lists(st.integers(0, min(640, len(content)) - 1), max_size=2)):
        content[place] = data.draw(st.sampled_from([0, 1, 8, 0x10, 0xC0, 0xDA, 0xDB, 0xE1, 0xFF]))
    content = content[: data.draw(st.sampled_from([None, 20, 200, 500]))]
    size = image_file._plain_jpeg_size(bytes(content[:4096]))
    if size is not None:
        (width, height), orientation = image_file._read_header(BytesIO(content))
        assert (size, orientation) == ((width, height), 1)


def test_the_short_way_is_taken_and_leaves_turned_pictures_alone():
    found = []
    for options in JPEGS:
        file = BytesIO()
        picture().save(file, 'JPEG', **options)
        found.append(image_file._plain_jpeg_size(file.getvalue()))
    assert found == [(64, 48)] * 5 + [None] * 3
