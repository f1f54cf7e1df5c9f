"""Views of a model, from anywhere and in any light, by VTK: without a display and without a GPU."""

from ctypes.util import find_library
from typing import Any

import cv2
import numpy as np

from focus_mmdet.datasets.rendered.wavefront import Material, Model, Part
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
        InputError: VTK is not installed, or finds no OpenGL.
    """

    def __init__(self, side: int) -> None:
        if vtk is None:
            raise InputError('3D models are rendered by VTK: pip install vtk')
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
        self, model: Model, rotation: np.ndarray, rng: np.random.Generator, count: int
    ) -> list[np.ndarray]:
        """Views of a model: (h, w, 4) uint8 BGRA, no larger than what is seen of it.

        Args:
            model: What to see.
            rotation: (3, 3) for its points; then y is up and z towards who sees its front.
            rng: Camera and lights come from it.
            count: How many.

        Returns:
            ``count`` of them, or fewer where little is seen.
        """
        points = np.vstack([part.points for part in model.parts]) @ rotation.T
        if not np.ptp(points, 0).any():
            return []
        scene = vtk.vtkRenderer()
        scene.SetBackgroundAlpha(0)
        scene.AutomaticLightCreationOff()
        actors = [_actor(part, rotation) for part in model.parts]
        for actor in actors:
            scene.AddActor(actor)
        self._window.AddRenderer(scene)
        views = []
        for _ in range(count):
            scene.SetActiveCamera(_camera(points, rng))
            scene.ResetCameraClippingRange()
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


def _camera(points: np.ndarray, rng: np.random.Generator) -> Any:
    """A camera that looks at the points and has them just in its picture."""
    low, high = points.min(0), points.max(0)
    middle, radius = (low + high) / 2, np.linalg.norm(high - low) / 2
    turn, lift = _viewpoint(high - low, rng)
    away = np.array([np.cos(lift) * np.sin(turn), np.sin(lift), np.cos(lift) * np.cos(turn)])
    camera = vtk.vtkCamera()
    camera.SetFocalPoint(*middle)
    camera.SetPosition(*(middle + radius * rng.uniform(1.7, 6) * away))
    camera.SetViewUp(0, 1, 0)
    camera.Roll(rng.normal(0, 4))
    matrix = camera.GetViewTransformMatrix()
    matrix = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(3)])
    seen = points @ matrix[:, :3].T + matrix[:, 3]
    tangents = seen[:, :2] / -seen[:, 2:]
    first, last = tangents.min(0), tangents.max(0)
    half = 1.02 * (last - first).max() / 2
    camera.SetViewAngle(np.rad2deg(2 * np.arctan(half)))
    camera.SetWindowCenter(*((first + last) / 2 / half))
    return camera


def _viewpoint(size: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Azimuth from the front and elevation, in radians, for an object of (x, y, z) size.

    The back is not seen, which is often bare, nor the edge of what is flat.
    """
    thin = int(size.argmin())
    if size[thin] > _THIN * np.sort(size)[1]:
        turn, lift = rng.uniform(-130, 130), 60 * rng.uniform() ** 1.3
    elif thin == 1:
        turn, lift = rng.uniform(-180, 180), rng.uniform(30, 80)
    else:
        turn, lift = rng.uniform(-60, 60) + (90 if thin == 0 else 0), 60 * rng.uniform() ** 1.3
    return np.deg2rad(turn), np.deg2rad(lift)


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
    points = part.points @ rotation.T
    surface = _surface(points[part.corners], np.arange(len(part.corners)), part.sizes)
    surface.GetPointData().SetNormals(numpy_to_vtk(_normals(points, part), deep=True))
    surface.GetPointData().SetTCoords(numpy_to_vtk(part.texture_points.astype(np.float32), deep=True))
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(surface)
    triangles.Update()
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputData(triangles.GetOutput())
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    _apply(part.material, actor)
    return actor


def _surface(points: np.ndarray, corners: np.ndarray, sizes: np.ndarray) -> Any:
    ends = np.concatenate([[0], np.cumsum(sizes)])
    faces = vtk.vtkCellArray()
    faces.SetData(*(numpy_to_vtkIdTypeArray(each.astype(np.int64), deep=True) for each in (ends, corners)))
    places = vtk.vtkPoints()
    places.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    surface = vtk.vtkPolyData()
    surface.SetPoints(places)
    surface.SetPolys(faces)
    return surface


def _normals(points: np.ndarray, part: Part) -> np.ndarray:
    """(C, 3) of the corners: smooth but across sharp edges. VTK keeps the order of faces and corners."""
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(_surface(points, part.corners, part.sizes))
    normals.SetFeatureAngle(_SHARP)
    normals.ConsistencyOff()
    normals.Update()
    surface = normals.GetOutput()
    corners = vtk_to_numpy(surface.GetPolys().GetConnectivityArray())
    return vtk_to_numpy(surface.GetPointData().GetNormals())[corners]


def _apply(material: Material, actor: Any) -> None:
    look = actor.GetProperty()
    colour = np.array(material.colour)
    if material.texture is not None:
        actor.SetTexture(_texture(material.texture))
        colour = np.maximum(colour, _UNDER_TEXTURE) if colour.max() < _UNDER_TEXTURE else colour
    look.SetColor(*colour)
    look.SetSpecularColor(*material.specular)
    look.SetSpecular(0.6)
    look.SetSpecularPower(material.shininess)
    look.SetOpacity(material.opacity)
    look.SetInterpolationToPhong()


def _texture(pixels: np.ndarray) -> Any:
    height, width, channels = pixels.shape
    code = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA
    upwards = np.ascontiguousarray(cv2.cvtColor(pixels, code)[::-1]).reshape(-1, channels)
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(upwards, deep=True))
    texture = vtk.vtkTexture()
    texture.SetInputData(image)
    texture.SetColorModeToDirectScalars()
    texture.InterpolateOn()
    texture.MipmapOn()
    texture.RepeatOn()
    return texture
