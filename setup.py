"""Package ``focus_mmdet``; exact versions are pinned in constraints.txt."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name='focus_mmdet',
    version=runpy.run_path(str(HERE / 'focus_mmdet' / 'version.py'))['__version__'],
    description='FOCUS for MMDetection: in-context object localization with vision-language models',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['focus_mmdet', 'focus_mmdet.*']),
    package_data={'focus_mmdet': ['py.typed']},
    install_requires=[
        'mmengine>=0.10.7',
        'mmdet>=3.3',
        'torch>=2.11',
        'transformers>=5.17',
        'peft>=0.21',
        'pycocotools',
        'numpy',
        'pillow',
        # mmdet asks for pkg_resources at run time.
        'setuptools<81',
    ],
    extras_require={
        # Nothing to compile; leave it out where full mmcv is installed.
        'lite': ['mmcv-lite', 'opencv-python'],
        # The reference that our GRPO is tested against.
        'trl': ['trl', 'datasets', 'accelerate'],
        # 4-bit base weights under LoRA.
        'qlora': ['bitsandbytes', 'accelerate'],
        # Another engine for stage 2's rollouts; needs a GPU.
        'vllm': ['vllm'],
        # Converters that read JSON larger than memory: TAO, BURST, YouTube-VIS, COCO, LVIS.
        'converters': ['ijson'],
        # Further logs of MMEngine's, and what mmdet's analyze_logs draws with.
        'monitoring': ['tensorboard', 'seaborn'],
        'dev': ['pytest', 'pytest-xdist', 'hypothesis', 'ruff', 'mypy'],
    },
)
