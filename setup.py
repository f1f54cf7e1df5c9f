"""Package ``focus_mmdet``; exact versions are pinned in constraints.txt."""

import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
CHECKPOINTS = [f'checkpoints/{name}' for name in ('focus-small', 'focus-small-base', 'focus-tiny-base')]
#: What a wheel holds in focus_mmdet/.mim, as MMDetection's does. MANIFEST.in gives it to the sdist.
SHIPPED = ['configs', 'tools', *CHECKPOINTS, 'model-index.yml']
#: Of a clone alone.
LEFT_OUT = ['__pycache__', 'quickstart.sh', 'run_tests.sh', 'setup_env.sh']


class BuildWithShippedFiles(build_py):
    """Build the package with the files that a clone has beside it."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'focus_mmdet' / '.mim'
        shutil.rmtree(target, ignore_errors=True)
        for name in SHIPPED:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if (HERE / name).is_dir():
                shutil.copytree(HERE / name, target / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
            else:
                shutil.copy(HERE / name, target / name)


setup(
    name='focus_mmdet',
    version=runpy.run_path(str(HERE / 'focus_mmdet' / 'version.py'))['__version__'],
    description='FOCUS for MMDetection: in-context object localization with vision-language models',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['focus_mmdet', 'focus_mmdet.*']),
    py_modules=['focus_command'],
    package_data={'focus_mmdet': ['py.typed', 'page/static/*']},
    cmdclass={'build_py': BuildWithShippedFiles},
    entry_points={'console_scripts': ['focus = focus_command:main']},
    install_requires=[
        'mmengine>=0.10.7',
        'mmdet>=3.3',
        'torch>=2.11',
        'transformers>=5.17',
        'peft>=0.21',
        'pycocotools',
        'numpy',
        'pillow',
        'pydantic>=2',
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
        # Views of 3D models.
        'render': ['trimesh', 'vtk'],
        # Photographs of iPhones (HEIC).
        'heif': ['pillow-heif'],
        # Further logs of MMEngine's, and what mmdet's analyze_logs draws with.
        'monitoring': ['tensorboard', 'seaborn'],
        # The server of `focus page`.
        'page': ['starlette', 'uvicorn'],
        'dev': ['build', 'hypothesis', 'mypy', 'pytest', 'pytest-xdist', 'ruff', 'twine'],
    },
)
