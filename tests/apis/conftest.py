import pytest

from focus_mmdet.apis import InContextInferencer


@pytest.fixture(scope='package')
def matcher():
    """The detector that comes with the package."""
    return InContextInferencer(device='cpu')
