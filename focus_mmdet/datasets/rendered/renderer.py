"""Views of a model, from anywhere and in any light, by VTK: without a display and without a GPU."""

from ctypes.util import find_library
from typing import Any

import cv2
import numpy as np

from focus_mmdet.datasets.rendered.wavefront import Model, Part, trimesh
from focus_mmdet.errors import InputError

try:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
except ImportError:
    vtk = None

#: Pixels rendered for one of a view, each way: what makes edges smooth.
_FINER = 3
#: Degrees between faces from which an edge is sharp.
_SHARP = 40
#: An object as thin as this beside its other sides is seen from its front.
_THIN = 0.2
#: A colour under a texture is no darker: most exporters write one that they do not use.
_UNDER_TEXTURE = 0.6


class Renderer:
    """Renders views.

    Args:
        side: Longer side of a view, in pixels.

    Raises:
        InputError: VTK or trimesh is not installed, or VTK finds no OpenGL.
    """

    def __init__(self, side: int) -> None:
        if vtk is None or trimesh is None:
            raise InputError('3D models are read by trimesh and rendered by VTK: pip install trimesh vtk')
        # It tells of every display that it tried.
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
        self._side = side
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(True)
        self._window.SetSize(side * _FINER, side * _FINER)
        # VTK's last resort, chosen unseen: without its library the process would crash.
        if self._window.GetClassName() == 'vtkOSOpenGLRenderWindow' and not find_library('OSMesa'):
            raise InputError('VTK finds no OpenGL. Install libEGL or OSMesa (Debian: libegl1 or libosmesa6)')

    def views(
        self, model: Model, rotation: np.ndarray, rng: np.random.Generator, count: int, turning: bool = False
    ) -> list[np.ndarray]:
        """Views of a model: (h, w, 4) uint8 BGRA, no larger than what is seen of it.

        Args:
            model: What to see.
            rotation: (3, 3) for its points; then y is up and z towards who sees its front.
            rng: Camera and lights come from it.
            count: How many.
            turning: In even steps from its one side to the other, in one light.

        Returns:
            ``count`` of them, or fewer where little is seen.
        """
        scene = vtk.vtkRenderer()
        scene.SetBackgroundAlpha(0)
        scene.AutomaticLightCreationOff()
        actors = [_actor(part, rotation) for part in model.parts]
        for actor in actors:
            scene.AddActor(actor)
        size = np.ptp(np.reshape(scene.ComputeVisiblePropBounds(), (3, 2)), 1)
        if not size.any():
            return []
        self._window.AddRenderer(scene)
        views = []
        start = rng.bit_generator.state
        for share in np.linspace(-1, 1, count):
            if turning:
                rng.bit_generator.state = start
            _aim(scene, size, rng, share if turning else None)
            _light(scene, actors, rng)
            self._window.Render()
            views.append(_smoothed(self._pixels(), self._side))
        self._window.RemoveRenderer(scene)
        return [view for view in views if view is not None]

    def _pixels(self) -> np.ndarray:
        """(H, W, 4) uint8 RGBA, colours times opacity."""
        width, height = self._window.GetSize()
        pixels = vtk.vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, False, pixels)
        return vtk_to_numpy(pixels).reshape(height, width, 4)[::-1]


def _smoothed(pixels: np.ndarray, side: int) -> np.ndarray | None:
    """What is seen, (h, w, 4) uint8 BGRA of that longer side; None where it is nearly nothing."""
    rows, columns = np.nonzero(pixels[..., 3])
    if len(rows) == 0:
        return None
    seen = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)
    zoom = side / max(seen.shape)
    height, width = (max(1, round(zoom * length)) for length in seen.shape[:2])
    seen = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
    opacity = seen[..., 3:]
    if min(height, width) < 0.08 * side or (opacity > 128).mean() < 0.05:
        return None
    colours = 255 * seen[..., 2::-1] / np.maximum(opacity, 1)
    return np.dstack([colours, opacity]).round().clip(0, 255).astype(np.uint8)


def _aim(scene: Any, size: np.ndarray, rng: np.random.Generator, share: float | None) -> None:
    """Look at an object of (x, y, z) size, which just fills the picture.

    Its back is not seen, which is often bare, nor the edge of what is flat. ``share`` says from where,
    between one side, -1, and the other, 1; None from anywhere.
    """
    flat = size < _THIN * np.sort(size)[1]
    anywhere = rng.uniform(-1, 1)
    share = anywhere if share is None else share
    turn = np.deg2rad((60 if flat[0] or flat[2] else 130) * share + 90 * flat[0])
    lift = np.deg2rad(rng.uniform(30, 80) if flat[1] else 60 * rng.uniform() ** 1.3)
    camera = vtk.vtkCamera()
    camera.SetPosition(np.cos(lift) * np.sin(turn), np.sin(lift), np.cos(lift) * np.cos(turn))
    camera.SetViewUp(0, 1, 0)
    camera.Roll(rng.normal(0, 4))
    # ResetCamera goes as far away as this angle needs, in radii of the object.
    camera.SetViewAngle(np.rad2deg(2 * np.arcsin(1 / rng.uniform(1.7, 6))))
    scene.SetActiveCamera(camera)
    scene.ResetCamera()
    scene.ResetCameraScreenSpace(0.98)


def _light(scene: Any, actors: list[Any], rng: np.random.Generator) -> None:
    """A strong light from above, a weak one, and some from everywhere, warm or cold."""
    scene.RemoveAllLights()
    places = (rng.uniform([-1.2, -0.2], [1.2, 1.5]), rng.uniform([-1, -0.5], [1, 0.5]))
    for place, strength in zip(places, (rng.uniform(0.55, 0.95), 0.2), strict=True):
        light = vtk.vtkLight()
        light.SetLightTypeToCameraLight()
        light.SetPosition(*place, 1)
        light.SetFocalPoint(0, 0, 0)
        warmth = rng.normal(0, 0.08)
        light.SetColor(*np.clip([1 + warmth, 1, 1 - warmth], 0.6, 1.2))
        light.SetIntensity(strength)
        scene.AddLight(light)
    ambient = rng.uniform(0.25, 0.5)
    for actor in actors:
        actor.GetProperty().SetAmbient(ambient)


def _actor(part: Part, rotation: np.ndarray) -> Any:
    """What VTK draws of a part. Every corner of a face is a point of its own."""
    corners = part.faces.ravel()
    points = part.points @ rotation.T
    surface = _surface(points[corners], np.arange(len(corners)))
    surface.GetPointData().SetNormals(numpy_to_vtk(_normals(points, corners), deep=True))
    surface.GetPointData().SetTCoords(numpy_to_vtk(part.texture_points[corners], deep=True))
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(surface)
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    colour = part.colour
    if part.texture is not None:
        actor.SetTexture(_texture(part.texture))
        colour = np.maximum(colour, _UNDER_TEXTURE) if colour.max() < _UNDER_TEXTURE else colour
    look = actor.GetProperty()
    look.SetColor(*colour)
    look.SetSpecularColor(*part.specular)
    look.SetSpecular(0.6)
    look.SetSpecularPower(part.shininess)
    look.SetOpacity(part.opacity)
    look.SetInterpolationToPhong()
    return actor


def _surface(points: np.ndarray, corners: np.ndarray) -> Any:
    faces = vtk.vtkCellArray()
    faces.SetData(3, numpy_to_vtkIdTypeArray(corners.astype(np.int64), deep=True))
    places = vtk.vtkPoints()
    places.SetData(numpy_to_vtk(points, deep=True))
    surface = vtk.vtkPolyData()
    surface.SetPoints(places)
    surface.SetPolys(faces)
    return surface


def _normals(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(C, 3) of the corners: smooth but across sharp edges. VTK keeps the order of faces and corners."""
    # Points that differ only in their place in the texture are one.
    places, indices = np.unique(points, axis=0, return_inverse=True)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(_surface(places, indices.ravel()[corners]))
    normals.SetFeatureAngle(_SHARP)
    normals.ConsistencyOff()
    normals.Update()
    surface = normals.GetOutput()
    corners = vtk_to_numpy(surface.GetPolys().GetConnectivityArray())
    return vtk_to_numpy(surface.GetPointData().GetNormals())[corners]


def _texture(pixels: np.ndarray) -> Any:
    height, width, channels = pixels.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    upwards = np.ascontiguousarray(pixels[::-1]).reshape(-1, channels)
    image.GetPointData().SetScalars(numpy_to_vtk(upwards, deep=True))
    texture = vtk.vtkTexture()
    texture.SetInputData(image)
    texture.SetColorModeToDirectScalars()
    texture.InterpolateOn()
    texture.MipmapOn()
    texture.RepeatOn()
    return texture
