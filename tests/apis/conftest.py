import pytest

from focus_mmdet.apis import InContextInferencer
from tests.conftest import MATCHER


@pytest.fixture(scope='package')
def matcher():
    """The detector without training that comes with the package."""
    return InContextInferencer(MATCHER, device='cpu')
